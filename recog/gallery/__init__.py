"""Galleries: who is enrolled, and who a face looks like.

file.py        Gallery: people, templates, thresholds, in one SQLite file
store.py       that file: transactions, versions, erasure
migrations.py  how it evolves
chunks.py      where its vectors are
log.py         what happened to it
searching.py   its templates in memory, following the file; the index beside it
matching.py    from templates to people
"""

from recog.gallery.file import Gallery
from recog.gallery.store import APPLICATION_ID

__all__ = ["APPLICATION_ID", "Gallery"]
