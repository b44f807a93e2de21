"""The texts of a compiled model: its form at each stage, whole or for one kernel."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from mlc.errors import MlcError

STAGES = ("graph", "optimized", "loops", "llvm", "asm")
"""From the imported model to machine code, in this order."""

Sections = Mapping[str, str]
"""The text of one stage, cut by kernel; what belongs to no kernel is under the empty name."""

Source = Sections | Callable[[], Sections]
"""The text, or a function that makes it when somebody asks."""

_SHOWN_NAMES = 8


class Texts:
    """The texts of some stages; each is made at most once."""

    def __init__(self, sources: Mapping[str, Source] | None = None) -> None:
        self._sources: dict[str, Source] = {}
        for stage, source in (sources or {}).items():
            _check_stage(stage)
            self._sources[stage] = source

    @property
    def stages(self) -> tuple[str, ...]:
        """The stages there are texts of."""
        return tuple(stage for stage in STAGES if stage in self._sources)

    def without(self, *stages: str) -> Texts:
        """The texts of the other stages."""
        return Texts({s: source for s, source in self._sources.items() if s not in stages})

    def provide(self, stage: str, source: Source) -> None:
        """Give the text of a stage that has none."""
        _check_stage(stage)
        self._sources.setdefault(stage, source)

    def sections(self, stage: str) -> Sections:
        """The text of `stage` by kernel; `MlcError` where there is none."""
        _check_stage(stage)
        if stage not in self._sources:
            raise MlcError(f"this module keeps no {stage!r} text")
        source = self._sources[stage]
        if callable(source):
            source = self._sources[stage] = source()
        return source

    def get(self, stage: str, kernel: str | None = None) -> str:
        """The text of `stage`, of one kernel or of all."""
        sections = self.sections(stage)
        if kernel is None:
            return "\n".join(sections.values())
        if kernel not in sections:
            raise MlcError(f"no kernel {kernel!r} in the {stage!r} text", hint=_hint(sections))
        return sections[kernel]


def _check_stage(stage: str) -> None:
    if stage not in STAGES:
        raise MlcError(f"unknown stage {stage!r}", hint=f"the stages are {', '.join(STAGES)}")


def _hint(sections: Sections) -> str:
    names = [name for name in sections if name]
    if not names:
        return "this stage has no kernels"
    more = ", …" if len(names) > _SHOWN_NAMES else ""
    return f"the kernels are {', '.join(names[:_SHOWN_NAMES])}{more}"
