/** Sends the same request over and over, and remembers when each was sent and what became of it. */

/** @typedef {"accepted"|"refused"|"unanswered"} Outcome */
/** @typedef {{at: number, outcome: Outcome, reason: string|null}} Replay `at`: when it was sent, by `performance.now()` */

export class Replays {
  /** @type {Replay[]} */
  past = [];
  /** When the log-out that concerns it was answered, by `performance.now()`; null before.
   * @type {number|null} */
  loggedOut = null;
  #send;
  #timer = 0;
  #waiting = false;

  /**
   * @param {string} name
   * @param {() => Promise<import("./client.js").Exchange>} send
   */
  constructor(name, send) {
    this.name = name;
    this.#send = send;
  }

  /** Send one every so many milliseconds from now on; none while the one before it is on its way. */
  begin(every) {
    this.end();
    this.#timer = setInterval(() => this.#once(), every);
  }

  end() {
    clearInterval(this.#timer);
  }

  /** @returns {Replay|undefined} the first from which on every one was refused; undefined while the last one was accepted */
  get refusedFrom() {
    const last = this.past.findLastIndex(({ outcome }) => outcome === "accepted");
    return this.past.slice(last + 1).find(({ outcome }) => outcome === "refused");
  }

  count(outcome) {
    return this.past.filter((replay) => replay.outcome === outcome).length;
  }

  async #once() {
    if (this.#waiting) {
      return;
    }
    this.#waiting = true;
    const at = performance.now();
    const { answer } = await this.#send();
    this.#waiting = false;
    const outcome = answer === null || answer.status >= 500 ? "unanswered" : answer.status < 400 ? "accepted" : "refused";
    this.past.push({ at, outcome, reason: answer?.problem?.reason ?? null });
  }
}
