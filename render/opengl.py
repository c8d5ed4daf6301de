"""OpenGL without a display: a context, programs, and buffers of any type to draw into and read from.

pyrender opens the context (EGL). Its own renderer gives 8-bit colours and a z-buffer that has to be inverted, so what needs floats
draws by itself.
"""

import os
from collections.abc import Sequence
from typing import Any

import numpy as np

os.environ.setdefault("PYOPENGL_PLATFORM", "egl")  # pyrender reads it when imported
import pyrender
from OpenGL import GL
from OpenGL.GL import shaders

from datasets.conventions import Array

#: NumPy types in OpenGL's words.
TYPES: dict[type, int] = {np.uint8: GL.GL_UNSIGNED_BYTE, np.float32: GL.GL_FLOAT}


class _Process:
    """This process's only context: pyrender ends EGL's display with any of its contexts, and all others with it."""

    owner: pyrender.OffscreenRenderer | None = None


def begin() -> None:
    """Make the process's context current; open one if there is none, or if somebody else's use of pyrender has ended it."""
    try:
        enter()
    except (AttributeError, AssertionError, GL.GLError):
        _Process.owner = pyrender.OffscreenRenderer(1, 1)


def enter() -> None:
    """Make the process's context current, which is to be open: another one may have been so meanwhile."""
    _Process.owner._platform.make_current()  # type: ignore[union-attr]


def program(vertex: str, fragment: str) -> int:
    """A linked program of two shaders' sources (GLSL). It is not validated, for which a framebuffer would have to be bound."""
    made: int = GL.glCreateProgram()
    for source, kind in ((vertex, GL.GL_VERTEX_SHADER), (fragment, GL.GL_FRAGMENT_SHADER)):
        GL.glAttachShader(made, shaders.compileShader(source, kind))
    GL.glLinkProgram(made)
    if not GL.glGetProgramiv(made, GL.GL_LINK_STATUS):
        raise RuntimeError(GL.glGetProgramInfoLog(made))
    return made


def uniform(program: int, name: str) -> int:
    """The place of a uniform of a program."""
    return int(GL.glGetUniformLocation(program, name))


def fill(kind: int, buffer: int, values: Array) -> None:
    """Bind a buffer and put an array into it."""
    values = np.ascontiguousarray(values)
    GL.glBindBuffer(kind, buffer)
    GL.glBufferData(kind, values.nbytes, values, GL.GL_STATIC_DRAW)


def draw(first: int, count: int) -> None:
    """Draw `count` triangles of the bound element buffer (uint32), from triangle `first` on."""
    GL.glDrawElements(GL.GL_TRIANGLES, 3 * count, GL.GL_UNSIGNED_INT, GL.ctypes.c_void_p(12 * first))


class Target:
    """Buffers to draw into, one for each of `formats`, with a depth test or without, as large as was ever asked for."""

    def __init__(self, formats: Sequence[int], depth_test: bool) -> None:
        self.formats, self.depth_test, self.held, self.size = formats, depth_test, (0, 0), (0, 0)
        self.frame: int = GL.glGenFramebuffers(1)
        self.buffers: Any = GL.glGenRenderbuffers(len(formats) + 1)

    def begin(self, width: int, height: int) -> None:
        """Draw into it from now on, into a corner of this size, which is cleared."""
        GL.glBindFramebuffer(GL.GL_FRAMEBUFFER, self.frame)
        self.size = (width, height)
        if width > self.held[0] or height > self.held[1]:
            self._allocate(max(width, self.held[0]), max(height, self.held[1]))
        (GL.glEnable if self.depth_test else GL.glDisable)(GL.GL_DEPTH_TEST)
        GL.glViewport(0, 0, width, height)
        GL.glEnable(GL.GL_SCISSOR_TEST)
        GL.glScissor(0, 0, width, height)
        for place, form in enumerate(self.formats):
            clear, zeros = (GL.glClearBufferuiv, np.uint32) if form == GL.GL_R8UI else (GL.glClearBufferfv, np.float32)
            clear(GL.GL_COLOR, place, np.zeros(4, zeros))
        if self.depth_test:
            GL.glClearBufferfv(GL.GL_DEPTH, 0, np.ones(1, np.float32))

    def read(self, place: int, channels: int, dtype: type) -> Array:
        """What was drawn into buffer `place`: (height, width) or, of GL_RGBA, (height, width, 4)."""
        width, height = self.size
        values: Array = np.empty((height, width, 4) if channels == GL.GL_RGBA else (height, width), dtype)
        GL.glPixelStorei(GL.GL_PACK_ALIGNMENT, 1)
        GL.glReadBuffer(GL.GL_COLOR_ATTACHMENT0 + place)
        GL.glReadPixels(0, 0, width, height, channels, TYPES[dtype], values)
        return values

    def delete(self) -> None:
        """Give the memory back."""
        GL.glDeleteFramebuffers(1, [self.frame])
        GL.glDeleteRenderbuffers(len(self.buffers), self.buffers)

    def _allocate(self, width: int, height: int) -> None:
        attachments = [GL.GL_COLOR_ATTACHMENT0 + place for place in range(len(self.formats))]
        depth = [(GL.GL_DEPTH_COMPONENT32F, GL.GL_DEPTH_ATTACHMENT)] if self.depth_test else []
        for buffer, (form, attachment) in zip(self.buffers, [*zip(self.formats, attachments, strict=True), *depth], strict=False):
            GL.glBindRenderbuffer(GL.GL_RENDERBUFFER, buffer)
            GL.glRenderbufferStorage(GL.GL_RENDERBUFFER, form, width, height)
            GL.glFramebufferRenderbuffer(GL.GL_FRAMEBUFFER, attachment, GL.GL_RENDERBUFFER, buffer)
        GL.glDrawBuffers(len(attachments), attachments)
        if GL.glCheckFramebufferStatus(GL.GL_FRAMEBUFFER) != GL.GL_FRAMEBUFFER_COMPLETE:
            raise RuntimeError(f"this OpenGL ({GL.glGetString(GL.GL_RENDERER)}) cannot draw into {len(self.formats)} buffers")
        self.held = (width, height)
