"""The `fracture-features` command: arguments in, tables out.

Every command ends with one of these exit codes:

==== ==================================================================================
   0  done
   1  done, with failures or findings: the messages name them, the others are written
   2  wrong usage: an argument, a file or a folder is not what is needed; nothing was done
   3  nothing readable: no file can be read as an image
 130  interrupted by Ctrl-C; what was finished is written
 143  terminated by SIGTERM; what was finished is written
==== ==================================================================================
"""

from ._exit import ExitCode
from ._main import DEFAULT_MODELS, main

__all__ = ["DEFAULT_MODELS", "ExitCode", "main"]
