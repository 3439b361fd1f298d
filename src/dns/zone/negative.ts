import { HEADER_BYTES } from '../wire/constants.ts';
import { type NameKey, printKey } from '../wire/name.ts';
import { type PreparedAnswer, prepareMessage } from './prepare.ts';
import type { Zone } from './zone.ts';

/**
 * The SOA record of NXDOMAIN and NODATA answers, as bytes. They depend on the zone, its serial and the length of the
 * question's name only (the owner is a pointer to the zone's name at the question's end), so few are ever made.
 */
export class NegativeAnswers {
  readonly #zone: Zone;
  readonly #byZone = new Map<NameKey, (PreparedAnswer | undefined)[]>();
  #serial = -1;

  constructor(zone: Zone) {
    this.#zone = zone;
  }

  /** For a question whose name ends at `nameEnd` and lies in `authority`. */
  get(authority: NameKey, nameEnd: number): PreparedAnswer {
    if (this.#serial !== this.#zone.serial) {
      this.#byZone.clear();
      this.#serial = this.#zone.serial;
    }
    let byLength = this.#byZone.get(authority);
    if (byLength === undefined) this.#byZone.set(authority, (byLength = []));
    const ahead = nameEnd - HEADER_BYTES - authority.length;
    return (byLength[ahead] ??= prepareMessage(
      { name: printKey(neutralLabels(ahead) + authority), type: 1 },
      { answers: [], authority: [this.#zone.soa(authority)], additional: [] },
    ));
  }
}

/** Labels that take `bytes` bytes and that no name to be compressed shares. */
function neutralLabels(bytes: number): string {
  if (bytes === 0) return '';
  const label = Math.min(63, bytes - 1 === 64 ? 62 : bytes - 1);
  return String.fromCharCode(label) + '\x01'.repeat(label) + neutralLabels(bytes - 1 - label);
}
