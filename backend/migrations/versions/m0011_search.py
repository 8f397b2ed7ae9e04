"""Search: what can be found by its words. The rows are made by `backend.search.index.catch_up`."""

import sqlalchemy as sa
from alembic import op

revision = "0011"
down_revision = "0008"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Apply."""
    op.create_table(
        "search_entries",
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("kind", sa.String(length=30), nullable=False),
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("key", sa.String(), nullable=False),
        sa.Column("address", sa.String(), nullable=False),
        sa.Column("title", sa.String(), nullable=False),
        sa.Column("rules", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("number"),
        sa.UniqueConstraint("kind", "id"),
    )
    if op.get_bind().dialect.name == "sqlite":
        op.execute(
            "CREATE VIRTUAL TABLE search_fts USING fts5("
            "names, words, tokenize = \"ascii tokenchars '_'\", prefix = '1 2 3 4')"
        )
    else:
        op.execute(
            "CREATE TABLE search_fts ("
            "number integer PRIMARY KEY REFERENCES search_entries (number) ON DELETE CASCADE, "
            "lexemes tsvector NOT NULL)"
        )
        op.execute("CREATE INDEX search_fts_lexemes ON search_fts USING gin (lexemes)")


def downgrade() -> None:
    """Take back."""
    op.execute("DROP TABLE search_fts")
    op.drop_table("search_entries")
