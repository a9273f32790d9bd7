/** The microphone, as a 16-bit mono WAV file at Whisper's own rate. */

const RATE_HZ = 16000;
/** How long the last samples are waited for: an eighth of a second is what the worklet holds back. */
const FLUSH_MS = 500;

/**
 * Begin to record; `onLevel` hears of loudness (0 to 1) and of seconds so far. Rejects when there
 * is no microphone or it is refused.
 */
export async function record(onLevel) {
  const stream = await navigator.mediaDevices.getUserMedia({ audio: { channelCount: 1, echoCancellation: true, noiseSuppression: true } });
  const end = async (audio) => {
    stream.getTracks().forEach((track) => track.stop());
    await audio?.close();
  };
  let audio;
  try {
    audio = new AudioContext({ sampleRate: RATE_HZ });
    await audio.audioWorklet.addModule(new URL("capture-worklet.js", import.meta.url));
    const capture = new AudioWorkletNode(audio, "capture", { numberOfOutputs: 0 });
    const chunks = [];
    let samples = 0;
    let flushed;
    const whole = new Promise((resolve) => { flushed = resolve; });
    capture.port.onmessage = ({ data }) => {
      if (data === null) { flushed(); return; }
      chunks.push(data);
      samples += data.length;
      onLevel(Math.min(1, 3 * rms(data)), samples / RATE_HZ);
    };
    audio.createMediaStreamSource(stream).connect(capture);
    return {
      /** End, and give the file. */
      async stop() {
        capture.port.postMessage("flush");
        await Promise.race([whole, new Promise((resolve) => { setTimeout(resolve, FLUSH_MS); })]);
        await end(audio);
        return wav(chunks, RATE_HZ);
      },
      discard: () => end(audio),
    };
  } catch (error) {
    await end(audio);
    throw error;
  }
}

function rms(samples) {
  let sum = 0;
  for (const value of samples) sum += value * value;
  return Math.sqrt(sum / Math.max(1, samples.length));
}

/** 16-bit mono WAV of samples between -1 and 1, given in pieces. */
export function wav(chunks, rate) {
  const count = chunks.reduce((sum, chunk) => sum + chunk.length, 0);
  const view = new DataView(new ArrayBuffer(44 + 2 * count));
  const word = (at, text) => [...text].forEach((letter, place) => view.setUint8(at + place, letter.charCodeAt(0)));
  word(0, "RIFF"); view.setUint32(4, 36 + 2 * count, true); word(8, "WAVEfmt ");
  view.setUint32(16, 16, true); view.setUint16(20, 1, true); view.setUint16(22, 1, true);
  view.setUint32(24, rate, true); view.setUint32(28, 2 * rate, true); view.setUint16(32, 2, true); view.setUint16(34, 16, true);
  word(36, "data"); view.setUint32(40, 2 * count, true);
  let at = 44;
  for (const chunk of chunks) for (const value of chunk) { view.setInt16(at, Math.max(-1, Math.min(1, value)) * 32767, true); at += 2; }
  return new Blob([view], { type: "audio/wav" });
}
