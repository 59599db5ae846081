"""What Prometheus is told of the records: outbox, inboxes, what is held, certificates, log. Asked of `serve` or of `work`."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime

from prometheus_client.core import Metric

from gateway.core.batches import BatchState
from gateway.core.chain import LogEntry
from gateway.core.model import PartyId
from gateway.core.parties import Receives
from gateway.services.backup_watch import BACKED_UP
from gateway.services.bundles import unsigned_since
from gateway.services.certificate_ends import forecast
from gateway.services.drift import drift_counts, projected
from gateway.services.findings import OF_ARCHIVES, OF_LOG, archive_findings, log_findings
from gateway.services.intake import Gate
from gateway.services.reconciling import reconciled
from gateway.web import metrics
from gateway.web.refusals import store_of
from signing.heads import HEAD


def standing(gate: Gate, log_head_s: float) -> Iterable[Metric]:
    """How everything that waits stands, as the database has it now. Raises StoreError.

    ``log_head_s``: how often the head of the log is signed (work.log_head_s).
    """
    now = datetime.now(UTC)
    with store_of(gate).read() as view:
        queues = view.queues()
        held = view.lanes(held_only=True)
        log_head, signed = view.log_head(), view.last_act(HEAD)
        unsigned = unsigned_since(view, signed)
        backed_up = view.last_act(BACKED_UP)
        flawed = {OF_LOG: len(log_findings(view)), OF_ARCHIVES: len(archive_findings(view))}
        verified = {what: view.verified_at(what) for what in flawed}
        applied = view.parties_version()
        drift = drift_counts(view, projected(gate.parties))
        last = reconciled(view, now)
        messages_held = view.held_count()
        batches = view.count_batches()
        going = view.batches(states=[BatchState.RUNNING, BatchState.PAUSED, BatchState.WAITING])
        inboxes = [view.reader(party.id) for party in gate.parties if party.receives is Receives.PULL]
        unread = {
            reader.party: first[0].recorded_at
            for reader in inboxes
            if reader.head > reader.confirmed and (first := view.inbox_after(reader.party, reader.confirmed, 1))
        }
    yield metrics.gauge(
        "deliveries_open",
        "Deliveries that are not through, by receiver and state.",
        [((q.party, str(state)), float(number)) for q in queues for state, number in q.counts.items()],
        ("party", "state"),
    )
    yield metrics.gauge(
        "delivery_oldest_due_seconds",
        "How long the oldest delivery has been due, by receiver.",
        [((q.party,), max(0.0, (now - q.oldest_due).total_seconds())) for q in queues if q.oldest_due is not None],
        ("party",),
    )
    yield metrics.gauge(
        "party_failures_in_a_row",
        "Tries in a row that a party did not answer.",
        [((q.party,), float(q.failures)) for q in queues],
        ("party",),
    )
    yield metrics.gauge(
        "drift_dossiers",
        "Dossiers of which a party was not told everything yet, or believes something else.",
        [((party,), float(number)) for party, number in drift.items()],
        ("party",),
    )
    yield from reconcile_figures(last)
    yield metrics.gauge("messages_held", "Messages that wait for a verdict.", [((), float(messages_held))])
    yield metrics.gauge(
        "inbox_unread",
        "Places of an inbox that its party has not confirmed.",
        [((reader.party,), float(max(0, reader.head - reader.confirmed))) for reader in inboxes],
        ("party",),
    )
    yield metrics.gauge(
        "inbox_oldest_unread_seconds",
        "How long the oldest place that its party has not confirmed has been there.",
        [((party,), max(0.0, (now - at).total_seconds())) for party, at in unread.items()],
        ("party",),
    )
    yield metrics.gauge(
        "batches",
        "Batches, by state.",
        [((str(state),), float(batches.get(state, 0))) for state in BatchState],
        ("state",),
    )
    yield metrics.gauge(
        "batch_things",
        "Things of batches that are not over, by batch and where they stand.",
        [((str(b.number), str(state)), float(number)) for b in going for state, number in b.counts.items()],
        ("batch", "state"),
    )
    yield metrics.gauge("lanes_held", "Lanes in which a person must look.", [((), float(len(held)))])
    yield metrics.gauge(
        "trust_end_timestamp_seconds",
        "When a certificate, a registration, a trust tree or what is known of a certificate's status comes to its end.",
        [
            ((str(end.kind), end.party or "", end.tree or "", end.name[:16], str(end.last).lower()), end.at.timestamp())
            for end in forecast(gate.trust, gate.parties, now)
        ],
        ("kind", "party", "tree", "name", "last"),
    )
    yield metrics.gauge(
        "registry_version",
        "The version of the registry: the newest that was applied, and the one this worker judges by.",
        [(("applied",), float(applied)), (("in-force",), float(gate.parties.version))],
        ("which",),
    )
    yield metrics.gauge("log_entries", "Entries of the chained log.", [((), float(log_head.number))])
    yield metrics.gauge(
        "log_signed_timestamp_seconds",
        "When the head of the log was signed last; 0: never.",
        [((), signed.at.timestamp() if signed is not None else 0.0)],
    )
    yield metrics.gauge(
        "log_head_due_timestamp_seconds",
        "By when the head of the log is to be signed: work.log_head_s after the oldest entry that no signed head covers. No "
        "value while there is none.",
        [] if unsigned is None else [((), unsigned.timestamp() + log_head_s)],
    )
    yield metrics.gauge(
        "backup_timestamp_seconds",
        "When the database was backed up last by `lienthong backup`; 0: never.",
        [((), backed_up.at.timestamp() if backed_up is not None else 0.0)],
    )
    yield metrics.gauge(
        "records_flawed",
        "What `log verify` and `archive verify` found, and no later run has found mended.",
        [((what,), float(number)) for what, number in flawed.items()],
        ("what",),
    )
    yield metrics.gauge(
        "records_verified_timestamp_seconds",
        "When `log verify --store`, or `archive verify` of all archives, last found nothing wrong; 0: never.",
        [((what,), 0.0 if at is None else at.timestamp()) for what, at in verified.items()],
        ("what",),
    )


def reconcile_figures(last: Mapping[PartyId, LogEntry]) -> Iterable[Metric]:
    """What the newest reconciliation of each party by itself came to."""
    yield metrics.gauge(
        "reconciled_timestamp_seconds",
        "When a party was last reconciled by itself ([reconcile] of the settings).",
        [((party,), line.at.timestamp()) for party, line in last.items()],
        ("party",),
    )
    yield metrics.gauge(
        "reconcile_disagreements",
        "Dossiers on which a party and our record were not at one when it was last reconciled by itself.",
        [((p, kind), float(number)) for p, line in last.items() for kind, number in line.facts["differ"].items()],
        ("party", "kind"),
    )
