/**
 * A sound for the turn, made on the spot, so that nothing has to be loaded when it matters. Off until a person switches it
 * on: only then do browsers let a page sound at all.
 */

/** Three rising notes, in hertz. */
const NOTES_HZ = [523.25, 659.25, 783.99];
const NOTE_S = 0.22;
const LOUDNESS = 0.25;
const SILENCE = 0.0001;

/** The sound of one page. */
export class Chime {
  /** @type {AudioContext | null} */
  #audio = null;

  /** Whether browsers of this kind can. */
  static get isPossible() {
    return 'AudioContext' in globalThis;
  }

  get isOn() {
    return this.#audio !== null;
  }

  /** Switches it on, and lets it be heard; must follow a press. */
  async switchOn() {
    this.#audio = new AudioContext();
    await this.#audio.resume();
    await this.sound();
  }

  async switchOff() {
    await this.#audio?.close();
    this.#audio = null;
  }

  /** Sounds, when it is on. */
  async sound() {
    const audio = this.#audio;
    if (!audio) return;
    await audio.resume();
    NOTES_HZ.forEach((hertz, index) => note(audio, hertz, audio.currentTime + index * NOTE_S));
  }
}

/** One note that fades. @param {AudioContext} audio @param {number} hertz @param {number} at */
function note(audio, hertz, at) {
  const tone = new OscillatorNode(audio, { frequency: hertz });
  const loudness = new GainNode(audio, { gain: SILENCE });
  loudness.gain.setValueAtTime(SILENCE, at);
  loudness.gain.exponentialRampToValueAtTime(LOUDNESS, at + NOTE_S / 10);
  loudness.gain.exponentialRampToValueAtTime(SILENCE, at + 2 * NOTE_S);
  tone.connect(loudness).connect(audio.destination);
  tone.start(at);
  tone.stop(at + 2 * NOTE_S);
}
