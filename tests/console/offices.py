"""An office with a console: the samples' parties in force, and persons of every role."""

import shutil
from datetime import UTC, datetime, timedelta

import pki
from desks import SECRET, Listening, Visitor
from letters import dossier

from gateway.cli.parties import read_all
from gateway.cli.run import batch_acts, prepare
from gateway.console.room import Room
from gateway.core.model import Attempt, AttemptOutcome, Caller, Channel, DeliveryState, Envelope
from gateway.core.operators import OperatorRole
from gateway.core.problems import Problem
from gateway.services import operators, profiles
from gateway.services.batches import carry_on_batches
from gateway.services.intake import new_message_id, receive
from gateway.settings import load
from gateway.store import Store, open_engine
from gateway.wiring import build

ROLES = {"xem": "viewer", "truc": "operator", "duyet": "approver", "soat": "auditor", "quan-tri": "administrator"}


class Clock:
    """The console's time, moved by hand."""

    def __init__(self):
        self.now = datetime.now(UTC)

    def __call__(self):
        return self.now

    def forward(self, **span):
        """Time passes."""
        self.now += timedelta(**span)


class Office:
    """A node's store with its gate, and a console over it."""

    def __init__(self, folder, database):
        shutil.copytree(pki.SAMPLES / "keys", folder / "keys")
        shutil.copytree(pki.SAMPLES / "parties", folder / "parties")
        text = (pki.SAMPLES / "lienthong.toml").read_text("utf-8")
        (folder / "lienthong.toml").write_text(text, "utf-8")
        signer = pki.signer("gateway")
        given = {"key.file": signer.key_pem, "key.certificate": signer.cert_pem, "database.url": database}
        given |= {"approval.above": 5, "console.public": True, "work.private_addresses": True}
        self.loaded = load(folder / "lienthong.toml", {}, given)
        self.clock = Clock()
        self.store = Store(open_engine(database))
        who = {"who": "operator:test", "reason": "thử", "now": self.clock.now - timedelta(days=1)}
        with self.store.begin() as tx:
            tx.apply_parties({party.id: profiles.to_text(party) for party in read_all(self.loaded.settings)}, **who)
        for name, role in ROLES.items():
            operators.add_operator(self.store, name, [OperatorRole(role)], SECRET, **who)
        self.gate = build(self.loaded.settings, self.store)
        self.room = Room(self.loaded, self.store, self.clock)
        self.listening = Listening(self.room)

    def receive(self, name, party="cong-dvc", body=None):
        """A sample, or other bytes, as its sender sends it; gives the acknowledgement."""
        at = self.clock.now
        body = (pki.SAMPLES / f"{name}.xml").read_bytes() if body is None else body
        cover = {"id": new_message_id(at), "caller": Caller(party=party, by="token"), "channel": Channel.REST}
        (ack,) = receive([Envelope.of(body, **cover, received_at=at)], self.gate, at)
        return ack

    def fail(self, code="DLV-031", most=1000):
        """What is due is tried once and refused; gives the deliveries."""
        return self._try(code, most)

    def deliver(self, most=1000):
        """What is due is delivered; gives the deliveries."""
        return self._try(None, most)

    def _try(self, code, most):
        now, tried = self.clock.now, []
        while len(tried) < most:
            with self.store.begin() as tx:
                parties = tx.parties_due(now)
                claimed = tx.claim_due(parties[0], now, 1, 60.0) if parties else []
            if not claimed:
                break
            (delivery,) = claimed
            attempt = self._attempt(delivery, code)
            with self.store.begin() as tx:
                assert tx.settle(delivery, attempt, DeliveryState.DELIVERED if code is None else DeliveryState.REFUSED)
            tried.append(delivery)
        return tried

    def _attempt(self, delivery, code):
        now = self.clock.now
        return Attempt(
            delivery=delivery.id,
            number=delivery.tries,
            kind="send",
            started_at=now,
            ended_at=now + timedelta(seconds=1),
            outcome=AttemptOutcome.DELIVERED if code is None else AttemptOutcome.REFUSED,
            problem=None if code is None else Problem(code, {"codes": ["TTHC"]}),
        )

    def settle(self, state, code, most, party="so-tu-phap"):
        """What is due to a party comes to this, all in one transaction; gives the deliveries."""
        with self.store.begin() as tx:
            claimed = tx.claim_due(party, self.clock.now, most, 60.0)
            for delivery in claimed:
                assert tx.settle(delivery, self._attempt(delivery, code), state)
        return claimed

    def file(self, count, first=1):
        """So many new dossiers are filed; gives their letters."""
        letters = [dossier(number, at=self.clock.now - timedelta(minutes=10)) for number in range(first, first + count)]
        for letter in letters:
            assert self.receive(None, body=letter.body).fate == "accepted"
        return letters

    def work(self, turns=1, seconds=2):
        """What `work` does for batches, so many turns with time between them."""
        for _ in range(turns):
            carry_on_batches(self.store, batch_acts(self.gate), self.clock)
            self.clock.forward(seconds=seconds)

    def prepare(self):
        """What `work` does for figures; gives how many questions it answered."""
        return prepare(self.gate, self.loaded.settings, self.clock, bool)

    def visitor(self, name=None, **headers):
        """Somebody at a browser, logged in under this name."""
        visitor = Visitor(self.listening.port, headers)
        if name is not None:
            assert visitor.log_in(name).status == 303
        return visitor

    def log(self, what):
        """Who did this, and the facts."""
        with self.store.read() as view:
            return [(line.who, line.facts) for line in view.log(limit=10_000) if line.what == what]

    def close(self):
        """Ends."""
        self.listening.close()
        self.store.dispose()
