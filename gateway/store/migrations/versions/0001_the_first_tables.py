"""The first tables."""

import sqlalchemy as sa
from alembic import op

from gateway.store.engine import append_only
from gateway.store.types import Json, Serial, UtcDateTime, Vnd

revision = "0001"
down_revision = None


def upgrade() -> None:
    """Nothing -> all tables."""
    op.create_table(
        "body",
        sa.Column("digest", sa.String(), nullable=False),
        sa.Column("bytes", sa.LargeBinary(), nullable=True),
        sa.Column("kept", Serial, autoincrement=False, nullable=False),
        sa.Column("total", Serial, autoincrement=False, nullable=False),
        sa.Column("erased_at", UtcDateTime(), nullable=True),
        sa.PrimaryKeyConstraint("digest", name=op.f("pk_body")),
    )
    op.create_table(
        "catalogue",
        sa.Column("danh_muc", sa.String(), nullable=False),
        sa.Column("phien_ban", sa.String(), nullable=False),
        sa.Column("ma", sa.String(), nullable=False),
        sa.Column("muc", Json(), nullable=False),
        sa.Column("hieu_luc_tu", UtcDateTime(), nullable=True),
        sa.Column("hieu_luc_den", UtcDateTime(), nullable=True),
        sa.Column("recorded_at", UtcDateTime(), nullable=False),
        sa.PrimaryKeyConstraint("danh_muc", "phien_ban", "ma", name=op.f("pk_catalogue")),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "certificate_status",
        sa.Column("fingerprint", sa.String(), nullable=False),
        sa.Column("tree", sa.String(), nullable=False),
        sa.Column("status", sa.String(), nullable=False),
        sa.Column("as_of", UtcDateTime(), nullable=False),
        sa.Column("until", UtcDateTime(), nullable=True),
        sa.Column("facts", Json(), nullable=False),
        sa.Column("evidence", Json(), nullable=False),
        sa.CheckConstraint("status IN ('good', 'bad', 'unknown')", name=op.f("ck_certificate_status_status")),
        sa.PrimaryKeyConstraint("fingerprint", "tree", name=op.f("pk_certificate_status")),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "claim",
        sa.Column("sender", sa.String(), nullable=False),
        sa.Column("ma_thong_diep", sa.String(), nullable=False),
        sa.Column("message", sa.String(), nullable=False),
        sa.PrimaryKeyConstraint("sender", "ma_thong_diep", name=op.f("pk_claim")),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "counter",
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("value", Serial, autoincrement=False, nullable=False),
        sa.Column("hash", sa.String(), nullable=True),
        sa.Column("at", UtcDateTime(), nullable=True),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_counter")),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "dossier",
        sa.Column("ma_ho_so", sa.String(), nullable=False),
        sa.Column("ma_tthc", sa.String(), nullable=True),
        sa.Column("portal", sa.String(), nullable=True),
        sa.Column("agency", sa.String(), nullable=True),
        sa.Column("others", Json(), nullable=True),
        sa.Column("trang_thai", sa.Integer(), nullable=True),
        sa.Column("trang_thai_goc", sa.String(), nullable=True),
        sa.Column("opened_at", UtcDateTime(), nullable=True),
        sa.Column("ngay_tiep_nhan", UtcDateTime(), nullable=True),
        sa.Column("ngay_hen_tra", UtcDateTime(), nullable=True),
        sa.Column("ngay_ket_thuc", UtcDateTime(), nullable=True),
        sa.Column("changed_at", UtcDateTime(), nullable=True),
        sa.PrimaryKeyConstraint("ma_ho_so", name=op.f("pk_dossier")),
        sqlite_with_rowid=False,
    )
    with op.batch_alter_table("dossier") as batch_op:
        batch_op.create_index(batch_op.f("ix_dossier_trang_thai_agency"), ["trang_thai", "agency"])

    op.create_table(
        "log",
        sa.Column("number", Serial, autoincrement=False, nullable=False),
        sa.Column("at", UtcDateTime(), nullable=False),
        sa.Column("who", sa.String(), nullable=False),
        sa.Column("what", sa.String(), nullable=False),
        sa.Column("message", sa.String(), nullable=True),
        sa.Column("facts", Json(), nullable=False),
        sa.Column("hash", sa.String(), nullable=False),
        sa.PrimaryKeyConstraint("number", name=op.f("pk_log")),
    )
    with op.batch_alter_table("log") as batch_op:
        batch_op.create_index(
            "ix_log_acts",
            ["what", "number"],
            sqlite_where=sa.text("message IS NULL"),
            postgresql_where=sa.text("message IS NULL"),
        )
        batch_op.create_index(batch_op.f("ix_log_message"), ["message"])

    op.create_table(
        "party",
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("profile", sa.Text(), nullable=True),
        sa.Column("author", sa.String(), nullable=False),
        sa.Column("reason", sa.String(), nullable=False),
        sa.Column("applied_at", UtcDateTime(), nullable=False),
        sa.PrimaryKeyConstraint("id", "version", name=op.f("pk_party")),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "alias",
        sa.Column("code", sa.String(), nullable=False),
        sa.Column("ma_ho_so", sa.String(), nullable=False),
        sa.ForeignKeyConstraint(["ma_ho_so"], ["dossier.ma_ho_so"], name=op.f("fk_alias_ma_ho_so")),
        sa.PrimaryKeyConstraint("code", "ma_ho_so", name=op.f("pk_alias")),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "message",
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("party", sa.String(), nullable=False),
        sa.Column("caller_by", sa.String(), nullable=False),
        sa.Column("channel", sa.String(), nullable=False),
        sa.Column("form", sa.String(), nullable=False),
        sa.Column("own_key", sa.String(), nullable=True),
        sa.Column("content_type", sa.String(), nullable=True),
        sa.Column("digest", sa.String(), nullable=False),
        sa.Column("total_bytes", Serial, autoincrement=False, nullable=False),
        sa.Column("received_at", UtcDateTime(), nullable=False),
        sa.Column("recorded_at", UtcDateTime(), nullable=False),
        sa.Column("state", sa.String(), nullable=False),
        sa.Column("verdicts", sa.Integer(), nullable=False),
        sa.Column("judged_at", UtcDateTime(), nullable=False),
        sa.Column("ma_thong_diep", sa.String(), nullable=True),
        sa.Column("loai", sa.String(), nullable=True),
        sa.Column("goc", sa.String(), nullable=True),
        sa.Column("phien_ban", sa.String(), nullable=True),
        sa.Column("ma_ho_so", sa.String(), nullable=True),
        sa.Column("basis", sa.String(), nullable=True),
        sa.Column("receipt", sa.String(), nullable=True),
        sa.Column("composed", sa.String(), nullable=True),
        sa.Column("code", sa.String(), nullable=True),
        sa.Column("codes", sa.String(), nullable=True),
        sa.Column("xpath", sa.String(), nullable=True),
        sa.CheckConstraint("state IN ('accepted', 'rejected', 'held')", name=op.f("ck_message_state")),
        sa.ForeignKeyConstraint(["composed"], ["body.digest"], name=op.f("fk_message_composed")),
        sa.ForeignKeyConstraint(["digest"], ["body.digest"], name=op.f("fk_message_digest")),
        sa.ForeignKeyConstraint(["receipt"], ["body.digest"], name=op.f("fk_message_receipt")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_message")),
        sqlite_with_rowid=False,
    )
    with op.batch_alter_table("message") as batch_op:
        batch_op.create_index(batch_op.f("ix_message_digest"), ["digest"])
        batch_op.create_index(batch_op.f("ix_message_ma_ho_so"), ["ma_ho_so"])
        batch_op.create_index(batch_op.f("ix_message_ma_thong_diep"), ["ma_thong_diep"])
        batch_op.create_index(
            "ix_message_open",
            ["state", "received_at", "id"],
            sqlite_where=sa.text("state != 'accepted'"),
            postgresql_where=sa.text("state != 'accepted'"),
        )
        batch_op.create_index(batch_op.f("ix_message_received_at_id"), ["received_at", "id"])

    op.create_table(
        "change",
        sa.Column("ma_ho_so", sa.String(), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("message", sa.String(), nullable=False),
        sa.Column("ma_thong_diep", sa.String(), nullable=False),
        sa.Column("loai", sa.String(), nullable=False),
        sa.Column("goc", sa.String(), nullable=False),
        sa.Column("sender", sa.String(), nullable=False),
        sa.Column("effects", Json(), nullable=False),
        sa.Column("occurred_at", UtcDateTime(), nullable=False),
        sa.Column("thu_tu", Serial, autoincrement=False, nullable=True),
        sa.Column("recorded_at", UtcDateTime(), nullable=False),
        sa.ForeignKeyConstraint(["ma_ho_so"], ["dossier.ma_ho_so"], name=op.f("fk_change_ma_ho_so")),
        sa.ForeignKeyConstraint(["message"], ["message.id"], name=op.f("fk_change_message")),
        sa.PrimaryKeyConstraint("ma_ho_so", "number", name=op.f("pk_change")),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "delivery",
        sa.Column("seq", Serial, nullable=False),
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("message", sa.String(), nullable=False),
        sa.Column("ma_thong_diep", sa.String(), nullable=False),
        sa.Column("loai", sa.String(), nullable=False),
        sa.Column("party", sa.String(), nullable=False),
        sa.Column("lane", sa.String(), nullable=False),
        sa.Column("digest", sa.String(), nullable=False),
        sa.Column("state", sa.String(), nullable=False),
        sa.Column("tries", sa.Integer(), nullable=False),
        sa.Column("due_at", UtcDateTime(), nullable=True),
        sa.Column("created_at", UtcDateTime(), nullable=False),
        sa.Column("first_tried_at", UtcDateTime(), nullable=True),
        sa.Column("leased_at", UtcDateTime(), nullable=True),
        sa.Column("lease_until", UtcDateTime(), nullable=True),
        sa.Column("lease", sa.Integer(), nullable=False),
        sa.Column("ask_first", sa.Boolean(), nullable=False),
        sa.Column("blocking", sa.Boolean(), nullable=False),
        sa.Column("problem", Json(), nullable=True),
        sa.Column("code", sa.String(), nullable=True),
        sa.Column("settled_at", UtcDateTime(), nullable=True),
        sa.CheckConstraint(
            "state IN ('queued', 'sending', 'unknown', 'delivered', 'refused', 'dead', 'skipped')",
            name=op.f("ck_delivery_state"),
        ),
        sa.ForeignKeyConstraint(["digest"], ["body.digest"], name=op.f("fk_delivery_digest")),
        sa.ForeignKeyConstraint(["message"], ["message.id"], name=op.f("fk_delivery_message")),
        sa.PrimaryKeyConstraint("seq", name=op.f("pk_delivery")),
        sa.UniqueConstraint("id", name=op.f("uq_delivery_id")),
    )
    with op.batch_alter_table("delivery") as batch_op:
        batch_op.create_index(
            "ix_delivery_due",
            ["due_at", "seq"],
            sqlite_where=sa.text("state IN ('queued', 'unknown')"),
            postgresql_where=sa.text("state IN ('queued', 'unknown')"),
        )
        batch_op.create_index(
            "ix_delivery_lane",
            ["party", "lane", "seq"],
            sqlite_where=sa.text("(state NOT IN ('delivered', 'skipped'))"),
            postgresql_where=sa.text("(state NOT IN ('delivered', 'skipped'))"),
        )
        batch_op.create_index(
            "ix_delivery_lease",
            ["lease_until"],
            sqlite_where=sa.text("state = 'sending'"),
            postgresql_where=sa.text("state = 'sending'"),
        )
        batch_op.create_index(batch_op.f("ix_delivery_message"), ["message"])

    op.create_table(
        "inbox",
        sa.Column("party", sa.String(), nullable=False),
        sa.Column("position", Serial, autoincrement=False, nullable=False),
        sa.Column("message", sa.String(), nullable=False),
        sa.Column("ma_thong_diep", sa.String(), nullable=False),
        sa.Column("loai", sa.String(), nullable=False),
        sa.Column("goc", sa.String(), nullable=False),
        sa.Column("sender", sa.String(), nullable=False),
        sa.Column("ma_ho_so", sa.String(), nullable=True),
        sa.Column("digest", sa.String(), nullable=False),
        sa.Column("recorded_at", UtcDateTime(), nullable=False),
        sa.Column("trang_thai", sa.Integer(), nullable=True),
        sa.Column("trang_thai_goc", sa.String(), nullable=True),
        sa.Column("problems", Json(), nullable=True),
        sa.ForeignKeyConstraint(["digest"], ["body.digest"], name=op.f("fk_inbox_digest")),
        sa.ForeignKeyConstraint(["message"], ["message.id"], name=op.f("fk_inbox_message")),
        sa.PrimaryKeyConstraint("party", "position", name=op.f("pk_inbox")),
        sqlite_with_rowid=False,
    )
    with op.batch_alter_table("inbox") as batch_op:
        batch_op.create_index(batch_op.f("ix_inbox_message"), ["message"])

    op.create_table(
        "verdict",
        sa.Column("message", sa.String(), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("state", sa.String(), nullable=False),
        sa.Column("judged_at", UtcDateTime(), nullable=False),
        sa.Column("who", sa.String(), nullable=False),
        sa.Column("problems", Json(), nullable=False),
        sa.Column("facts", Json(), nullable=False),
        sa.Column("evidence", Json(), nullable=False),
        sa.Column("signed_digest", sa.String(), nullable=True),
        sa.Column("receipt", sa.String(), nullable=True),
        sa.CheckConstraint("state IN ('accepted', 'rejected', 'held')", name=op.f("ck_verdict_state")),
        sa.ForeignKeyConstraint(["message"], ["message.id"], name=op.f("fk_verdict_message")),
        sa.ForeignKeyConstraint(["receipt"], ["body.digest"], name=op.f("fk_verdict_receipt")),
        sa.PrimaryKeyConstraint("message", "number", name=op.f("pk_verdict")),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "attempt",
        sa.Column("delivery", sa.String(), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("kind", sa.String(), nullable=False),
        sa.Column("started_at", UtcDateTime(), nullable=False),
        sa.Column("ended_at", UtcDateTime(), nullable=False),
        sa.Column("outcome", sa.String(), nullable=False),
        sa.Column("reference", sa.String(), nullable=True),
        sa.Column("receipt", sa.LargeBinary(), nullable=True),
        sa.Column("problem", Json(), nullable=True),
        sa.CheckConstraint(
            "outcome IN ('delivered', 'refused', 'unreachable', 'uncertain', 'not_there')",
            name=op.f("ck_attempt_outcome"),
        ),
        sa.ForeignKeyConstraint(["delivery"], ["delivery.id"], name=op.f("fk_attempt_delivery")),
        sa.PrimaryKeyConstraint("delivery", "number", name=op.f("pk_attempt")),
    )
    op.create_table(
        "payment",
        sa.Column("ma_ho_so", sa.String(), nullable=False),
        sa.Column("change", sa.Integer(), nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("kind", sa.String(), nullable=False),
        sa.Column("so_tien", Vnd(), nullable=False),
        sa.Column("da_thanh_toan", sa.Boolean(), nullable=True),
        sa.Column("ref", sa.String(), nullable=True),
        sa.Column("due_at", UtcDateTime(), nullable=True),
        sa.Column("at", UtcDateTime(), nullable=False),
        sa.ForeignKeyConstraint(
            ["ma_ho_so", "change"], ["change.ma_ho_so", "change.number"], name=op.f("fk_payment_ma_ho_so_change")
        ),
        sa.PrimaryKeyConstraint("ma_ho_so", "change", "position", name=op.f("pk_payment")),
        sqlite_with_rowid=False,
    )
    with op.batch_alter_table("payment") as batch_op:
        batch_op.create_index(batch_op.f("ix_payment_at"), ["at"])

    append_only(op.get_bind(), ["verdict", "change", "attempt", "log"])
