from django.db import migrations

from posts.indexing import document, place_in_time

BATCH = 1000


def file_earlier_posts(apps, schema_editor):
    Post = apps.get_model("posts", "Post")
    Picture = apps.get_model("posts", "Picture")
    SearchEntry = apps.get_model("posts", "SearchEntry")
    standing = Post.objects.filter(deleted_at=None, hidden_at=None).order_by("pk")
    posts = list(standing[:BATCH])
    while posts:
        alts = {}
        for post_id, alt in Picture.objects.filter(post__in=posts).values_list("post_id", "alt"):
            alts.setdefault(post_id, []).append(alt)
        entries = [
            SearchEntry(
                number=place_in_time(post.created_at, post.room_id),
                post_id=post.pk,
                room_id=post.room_id,
                words=document(post.text, alts.get(post.pk, []), post.room_id, post.author_id),
            )
            for post in posts
        ]
        while entries:
            SearchEntry.objects.bulk_create(entries, ignore_conflicts=True)
            found = SearchEntry.objects.filter(post__in=posts)
            filed = set(found.values_list("post_id", flat=True))
            entries = [entry for entry in entries if entry.post_id not in filed]
            for entry in entries:
                entry.number += 1
        posts = list(standing.filter(pk__gt=posts[-1].pk)[:BATCH])


class Migration(migrations.Migration):
    dependencies = [("posts", "0002_search")]

    operations = [
        migrations.RunPython(file_earlier_posts, migrations.RunPython.noop, elidable=True),
    ]
