"""What speech to text and text to speech count and time, in Prometheus's terms.

The real-time factor is the time the worker took over the duration of the sound: below 1 it keeps
up with a speaker.
"""

from __future__ import annotations

from collections.abc import Callable

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from reference_stack.serving.metrics import QueueMetrics

_FACTOR_BUCKETS = (0.01, 0.02, 0.05, 0.1, 0.2, 0.35, 0.5, 0.7, 1, 1.5, 2, 5, 10)


class SpeechMetrics(QueueMetrics):
    """Speech to text."""

    def __init__(self, registry: CollectorRegistry) -> None:
        super().__init__("speech", "Clips", registry)
        self._factor = Histogram(
            "speech_real_time_factor",
            "The worker's time for a turn over the seconds of sound in it",
            buckets=_FACTOR_BUCKETS,
            registry=registry,
        )
        self._heard = Counter("speech_audio_seconds", "Sound recognised", registry=registry)
        self._sessions = Gauge("speech_dictations", "Dictations that are open", registry=registry)

    def watch_sessions(self, count: Callable[[], int]) -> None:
        """Read the gauge at every scrape."""
        self._sessions.set_function(count)

    def heard(self, audio_s: float, seconds: float) -> None:
        """So many seconds of sound took the worker so long."""
        self._heard.inc(audio_s)
        if audio_s > 0:
            self._factor.observe(seconds / audio_s)


class VoiceMetrics(QueueMetrics):
    """Text to speech."""

    def __init__(self, registry: CollectorRegistry) -> None:
        super().__init__("voice", "Texts", registry)
        self._factor = Histogram(
            "voice_real_time_factor",
            "The time of a synthesis over the seconds of sound it gave",
            buckets=_FACTOR_BUCKETS,
            registry=registry,
        )
        self._spoken = Counter("voice_audio_seconds", "Sound synthesised", registry=registry)

    def spoke(self, audio_s: float, seconds: float) -> None:
        """So many seconds of sound took so long."""
        self._spoken.inc(audio_s)
        if audio_s > 0:
            self._factor.observe(seconds / audio_s)
