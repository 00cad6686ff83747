"""smbclient against Samba: one who renames all files of a share as ransomware does."""
from talk import needs

needs("smbd", "smbclient")
from samba import marked

marked(".locked", lambda name, _: [f"rename {name} {name}.locked"])
