import django.db.models.deletion
from django.db import migrations, models

# A column that PostgreSQL keeps in step by itself, and its index. Without `fastupdate` no post has
# to wait, with its room locked, until the words of thousands before it are filed.
POSTGRESQL = (
    "ALTER TABLE posts_searchentry ADD COLUMN vector tsvector "
    "GENERATED ALWAYS AS (array_to_tsvector(string_to_array(words, ' '))) STORED",
    "CREATE INDEX search_vector ON posts_searchentry USING gin (vector) WITH (fastupdate = off)",
)
# An index of the table's own rows that triggers keep in step. The words are cut already: `ascii`
# takes all that is not ASCII for letters, and the signs are those that words.py never yields. A
# migration that makes Django rebuild the table must make the triggers anew.
SQLITE = (
    "CREATE VIRTUAL TABLE posts_searchindex USING fts5(words, content='posts_searchentry', "
    "content_rowid='number', tokenize=\"ascii tokenchars '#@!'\", detail=none, columnsize=0, "
    "prefix='1 2 3')",
    # Less often than by default, which lets one post in a hundred wait five times as long.
    "INSERT INTO posts_searchindex(posts_searchindex, rank) VALUES ('automerge', 8)",
    "CREATE TRIGGER posts_searchentry_added AFTER INSERT ON posts_searchentry BEGIN "
    "INSERT INTO posts_searchindex(rowid, words) VALUES (new.number, new.words); END",
    "CREATE TRIGGER posts_searchentry_removed AFTER DELETE ON posts_searchentry BEGIN "
    "INSERT INTO posts_searchindex(posts_searchindex, rowid, words) "
    "VALUES ('delete', old.number, old.words); END",
    "CREATE TRIGGER posts_searchentry_changed AFTER UPDATE ON posts_searchentry BEGIN "
    "INSERT INTO posts_searchindex(posts_searchindex, rowid, words) "
    "VALUES ('delete', old.number, old.words); "
    "INSERT INTO posts_searchindex(rowid, words) VALUES (new.number, new.words); END",
)


def build_index(apps, schema_editor):
    is_sqlite = schema_editor.connection.vendor == "sqlite"
    for statement in SQLITE if is_sqlite else POSTGRESQL:
        schema_editor.execute(statement, params=None)


def drop_index(apps, schema_editor):
    # The rest goes with the table.
    if schema_editor.connection.vendor == "sqlite":
        schema_editor.execute("DROP TABLE posts_searchindex", params=None)


class Migration(migrations.Migration):
    dependencies = [
        ("chat", "0001_initial"),
        ("posts", "0001_initial"),
    ]

    operations = [
        migrations.CreateModel(
            name="SearchEntry",
            fields=[
                ("number", models.BigAutoField(primary_key=True, serialize=False)),
                ("words", models.TextField()),
                (
                    "post",
                    models.OneToOneField(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="search_entry",
                        to="posts.post",
                    ),
                ),
                (
                    "room",
                    models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="+",
                        to="chat.room",
                    ),
                ),
            ],
            options={
                "indexes": [models.Index(fields=["room", "number"], name="search_room_number")],
            },
        ),
        migrations.RunPython(build_index, drop_index),
    ]
