"""Galleries: who is enrolled, and who a face looks like.

interface.py     what a gallery is to those who use it
opening.py       a gallery from a path or a URI

file.py          Gallery: people, templates, thresholds, in one SQLite file
store.py         that file: transactions, versions, bytes that are gone
migrations.py    how it evolves
roster.py        its people and templates
chunks.py        its vectors
calibrations.py  its thresholds
log.py           what happened to it
photo_owners.py  who was enrolled with which photo
vault.py         how what is personal stands in it: as it is, or sealed
keystore.py      the keys of an encrypted one, in a file of their own
unlocking.py     opening the one with the other
erasing.py       what a removal leaves to do
searching.py     following the file; the index beside it
matching.py      from templates to people
slots.py         its templates in memory

milvus/          MilvusGallery: the same past one machine
ranking.py       what both compute alike
checks.py        what both refuse
portable.py      what one gallery can give to another
"""

from recog.gallery.file import Gallery
from recog.gallery.interface import GalleryLike
from recog.gallery.opening import open_gallery
from recog.gallery.store import APPLICATION_ID

__all__ = ["APPLICATION_ID", "Gallery", "GalleryLike", "open_gallery"]
