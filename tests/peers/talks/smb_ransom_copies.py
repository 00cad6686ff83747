"""smbclient against Samba: one who puts a copy beside each file of a share and deletes the file, as ransomware does."""
from talk import needs

needs("smbd", "smbclient")
from samba import marked

marked(".sealed", lambda name, sealed: [f"put {sealed} {name}.sealed", f"del {name}"])
