"""Written: who made a landing's commit, and when, where that was not the forge."""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Apply."""
    with op.batch_alter_table("landings", schema=None) as batch_op:
        batch_op.add_column(sa.Column("written_by", sa.String(), nullable=False, server_default=""))
        batch_op.add_column(sa.Column("written_at", sa.DateTime(timezone=True), nullable=True))


def downgrade() -> None:
    """Take back."""
    with op.batch_alter_table("landings", schema=None) as batch_op:
        batch_op.drop_column("written_at")
        batch_op.drop_column("written_by")
