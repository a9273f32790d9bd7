/** Hands the microphone's samples to the page in pieces of an eighth of a second; on "flush" the rest, then null. */

class Capture extends AudioWorkletProcessor {
  constructor() {
    super();
    this.begin();
    this.port.onmessage = () => {
      this.port.postMessage(this.piece.slice(0, this.filled));
      this.port.postMessage(null);
      this.begin();
    };
  }

  begin() {
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
        this.begin();
      }
    }
    return true;
  }
}

registerProcessor("capture", Capture);
