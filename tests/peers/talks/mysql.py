"""PyMySQL against mysql-mimic: a password accepted, one refused, statements."""
import asyncio

import pymysql
from mysql_mimic import MysqlServer, Session, auth
from talk import SERVER, Log, background, listening, until


class Level(Session):
    async def query(self, expression, sql, attrs):
        return [(4.5,)], ["metres"]


class Keeper(auth.IdentityProvider):
    def get_plugins(self):
        return [auth.NativePasswordAuthPlugin()]

    async def get_user(self, username):
        secret = auth.NativePasswordAuthPlugin.create_auth_string("bottle")
        return auth.User(name="keeper", auth_string=secret, auth_plugin="mysql_native_password")


async def serve():
    server = MysqlServer(session_factory=Level, identity_provider=Keeper())
    await server.start_server(host=SERVER, port=3306)
    await asyncio.sleep(600)


background(lambda: asyncio.run(serve()))
until(lambda: listening(3306))
log = Log("mysql")
connection = pymysql.connect(host=SERVER, user="keeper", password="bottle", autocommit=None)
log.sign_in("mysql password", "keeper", True)
version = connection.get_server_info()
with connection.cursor() as cursor:
    cursor.execute("SELECT metres FROM level")
    assert cursor.fetchall() == ((4.5,),)
    cursor.execute("UPDATE level SET metres = 5")
connection.close()
log.did("read")
log.did("write")
# The set of letters is named first; then the end.
log.did("session", 2)
try:
    pymysql.connect(host=SERVER, user="keeper", password="wrong", autocommit=None)
    raise AssertionError("a wrong password was accepted")
except pymysql.err.OperationalError:
    log.sign_in("mysql password", "keeper", False)
log.did("authenticate", 2)
log.fact("software_version", version)
log.close()
