"""The `fracture-features` command: arguments in, tables out.

Every command ends with one of these exit codes:

==== ==================================================================================
   0  done
   1  done, with failures or findings, which the messages name; or a disk took nothing; or an error, with its traceback
   2  wrong usage: an argument, a file or a folder is not what is needed
   3  nothing readable: no file can be read as an image
 130  interrupted by Ctrl-C; what was finished is written
 143  terminated by SIGTERM, or the terminal was closed; what was finished is written
==== ==================================================================================
"""

from ._arguments import DEFAULT_MODELS
from ._exit import ExitCode
from ._main import main

__all__ = ["DEFAULT_MODELS", "ExitCode", "main"]
