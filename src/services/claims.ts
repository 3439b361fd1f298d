import { type Ignored, type PlannedPort, anyAddress, frontKey } from './plan.ts';

/**
 * Who wants which address and port. The API server never gives one twice; if it happens nevertheless, as with
 * external IPs, the Service that had it first keeps it, and the others are told.
 */
export class Claims {
  /** One claim, or several, which is rare. */
  readonly #byFront = new Map<string, PlannedPort | readonly PlannedPort[]>();
  readonly #byService = new Map<string, readonly PlannedPort[]>();
  readonly #lost = new Map<string, Map<string, Ignored>>();
  readonly #losers = new Map<string, readonly string[]>();
  readonly #createdAt: (service: string) => string;

  constructor(createdAt: (service: string) => string) {
    this.#createdAt = createdAt;
  }

  /** Gives a Service its claims in the place of those it had; adds the fronts to look at to `touched`. */
  replace(service: string, ports: readonly PlannedPort[], touched: Set<string>): void {
    for (const port of this.#byService.get(service) ?? []) {
      const front = frontKey(port);
      const others = this.#of(front).filter((claim) => claim.service !== service);
      this.#put(front, others);
      touched.add(front);
    }
    for (const port of ports) {
      const front = frontKey(port);
      if (this.#byFront.has(front)) this.#put(front, [...this.#of(front), port]);
      else this.#byFront.set(front, port);
      touched.add(front);
    }
    if (ports.length === 0) this.#byService.delete(service);
    else this.#byService.set(service, ports);
    this.#lost.delete(service);
  }

  /** The eldest claim, and every Service whose claim it decides. */
  settle(front: string): { winner: PlannedPort | undefined; contenders: readonly string[] } {
    const claims = this.#of(front);
    for (const service of this.#losers.get(front) ?? []) this.#lost.get(service)?.delete(front);
    this.#losers.delete(front);
    if (claims.length < 2) return { winner: claims[0], contenders: claims.map(({ service }) => service) };
    const age = ({ service }: PlannedPort): string => `${this.#createdAt(service)} ${service}`;
    const [winner, ...losers] = claims.toSorted((a, b) => (age(a) < age(b) ? -1 : 1));
    this.#losers.set(
      front,
      losers.map(({ service }) => service),
    );
    for (const port of losers) {
      if (port.service === winner?.service) continue;
      let lost = this.#lost.get(port.service);
      if (lost === undefined) this.#lost.set(port.service, (lost = new Map()));
      lost.set(front, refusal(port, winner?.service ?? ''));
    }
    return { winner, contenders: claims.map(({ service }) => service) };
  }

  /** What a Service did not get because another has it. */
  lostBy(service: string): readonly Ignored[] {
    const lost = this.#lost.get(service);
    return lost === undefined ? [] : [...lost].sort(([a], [b]) => (a < b ? -1 : 1)).map(([, each]) => each);
  }

  #of(front: string): readonly PlannedPort[] {
    const claims = this.#byFront.get(front);
    if (claims === undefined) return [];
    return 'service' in claims ? [claims] : claims;
  }

  #put(front: string, claims: readonly PlannedPort[]): void {
    const [first] = claims;
    if (first === undefined) this.#byFront.delete(front);
    else this.#byFront.set(front, claims.length === 1 ? first : claims);
  }
}

function refusal(port: PlannedPort, winner: string): Ignored {
  const what =
    port.address === anyAddress(port.family) ? `node port ${port.port}/${port.protocol}` : frontKey(port);
  return {
    object: { kind: 'Service', key: port.service },
    field: port.addressField,
    reason: `asks for ${what}, which Service ${winner} has had for longer`,
    refused: true,
  };
}
