"""Galleries: who is enrolled, and who a face looks like.

interface.py   what a gallery is to those who use it
opening.py     a gallery from a path or a URI
file.py        Gallery: people, templates, thresholds, in one SQLite file
store.py       that file: transactions, versions, erasure
migrations.py  how it evolves
chunks.py      where its vectors are
log.py         what happened to it
searching.py   its templates in memory, following the file; the index beside it
matching.py    from templates to people
ranking.py     what matching and Milvus compute alike
checks.py      what both refuse
milvus/        MilvusGallery: the same past one machine
portable.py    what one gallery can give to another
"""

from recog.gallery.file import Gallery
from recog.gallery.interface import GalleryLike
from recog.gallery.opening import open_gallery
from recog.gallery.store import APPLICATION_ID

__all__ = ["APPLICATION_ID", "Gallery", "GalleryLike", "open_gallery"]
