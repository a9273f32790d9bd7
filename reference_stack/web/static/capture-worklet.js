/** Hands the microphone's samples to the page in pieces of an eighth of a second. */

class Capture extends AudioWorkletProcessor {
  constructor() {
    super();
    this.piece = new Float32Array(2048);
    this.filled = 0;
  }

  process([[channel]]) {
    if (!channel) return true;
    for (const value of channel) {
      this.piece[this.filled] = value;
      this.filled += 1;
      if (this.filled === this.piece.length) {
        this.port.postMessage(this.piece);
        this.piece = new Float32Array(2048);
        this.filled = 0;
      }
    }
    return true;
  }
}

registerProcessor("capture", Capture);
