"""py-amqp against amqp-mock (0-9-1), then Qpid Proton on both ends (1.0)."""
import asyncio

import amqp
import amqp_mock
from proton import Message
from proton.handlers import MessagingHandler
from proton.reactor import Container
from talk import SERVER, Log, background, listening, until


def old(log):
    """A queue declared, two messages written and one read."""

    async def serve():
        storage = amqp_mock.Storage()
        # Its own reins, which nobody takes here, stand beside.
        async with amqp_mock.create_amqp_mock(amqp_mock.HttpServer(storage, SERVER, 8015),
                                              amqp_mock.AmqpServer(storage, SERVER, 5672)):
            await asyncio.sleep(600)

    background(lambda: asyncio.run(serve()))
    until(lambda: listening(5672))
    got = []
    with amqp.Connection(f"{SERVER}:5672", userid="line1", password="bottle", login_method="PLAIN") as connection:
        channel = connection.channel()
        channel.exchange_declare("plant", "direct", durable=True)
        channel.queue_declare("levels", durable=True)
        channel.queue_bind("levels", "plant", "levels")
        for level in (b"41", b"42"):
            channel.basic_publish(amqp.Message(level), exchange="plant", routing_key="levels")
        channel.basic_consume("levels", callback=got.append, no_ack=True)
        until(lambda: connection.drain_events(timeout=5) or len(got) == 2)
    log.sign_in("amqp plain", "line1", True)
    log.did("authenticate")
    log.did("configure", 3)
    log.did("report", 4)
    log.did("read")
    # The header, what the broker starts with, opened, closed.
    log.did("session", 4)


class Broker(MessagingHandler):
    def on_start(self, event):
        event.container.listen(f"{SERVER}:5673")

    def on_link_opening(self, event):
        # The broker leads where it was asked to.
        event.link.source.address = event.link.remote_source.address
        event.link.target.address = event.link.remote_target.address


class Filler(MessagingHandler):
    def on_start(self, event):
        self.connection = event.container.connect(f"amqp://{SERVER}:5673", allowed_mechs="ANONYMOUS", sasl_enabled=True)
        event.container.create_sender(self.connection, "levels")

    def on_sendable(self, event):
        if not getattr(self, "sent", False):
            self.sent = True
            event.sender.send(Message(body="41"))

    def on_accepted(self, event):
        self.connection.close()


def new(log):
    background(Container(Broker()).run)
    until(lambda: listening(5673))
    filler = Container(Filler())
    filler.container_id = "filler-4"
    filler.run()
    log.sign_in("amqp anonymous", None, True)
    log.did("authenticate")
    log.did("write")
    log.did("report")
    # Two headers, mechanisms, opened, begun, credit given, the message settled, closed.
    log.did("session", 8)
    log.fact("amqp_container", "filler-4", of="client")


def main():
    log = Log("amqp")
    old(log)
    new(log)
    log.close()


main()
