"""How freed memory finds its way back to the system.

glibc keeps freed blocks of up to 32 MB in its heap, where what lives on between them keeps the heap from
shrinking: a worker grew with each size of image. Giving every large block back at once (``M_MMAP_THRESHOLD``)
would save more, and cost a search a sixth more time.
"""

import ctypes


def give_back_freed() -> bool:
    """Give all memory that was freed back to the system, wherever it lies.

    Returns:
        Whether the C library can do so; one that is not glibc is left as it is.
    """
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
    if trim is None:
        return False
    trim(0)
    return True
