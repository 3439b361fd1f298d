import type { Metric } from '../observe/exposition.ts';
import { RCODE } from '../wire/constants.ts';
import { type Admission, type ClientKey, RateLimit } from './rate-limit.ts';

export interface ClientLimitOptions {
  /** Of one client address, over UDP and over TCP each. */
  readonly queriesPerSecond: number;
  /** What it may ask at once. */
  readonly queriesBurst: number;
  /** Denials, and errors, that one client is told over UDP; it cannot be sent more of them in another's name. */
  readonly errorsPerSecond: number;
  readonly errorsBurst: number;
  /** A monotonic clock in milliseconds. */
  readonly now?: () => number;
}

/** Far above what a program asks that means well, far below what a node can answer. */
export const defaultClientLimits: ClientLimitOptions = {
  queriesPerSecond: 20_000,
  queriesBurst: 40_000,
  errorsPerSecond: 5000,
  errorsBurst: 10_000,
};

/** What each client may take of a server, so that one that floods it, or is made to look so, harms nobody else. */
export interface ClientLimits {
  /** A datagram from that address, which anybody may have written there. */
  admit(client: ClientKey): Admission;
  /** One with a cookie of ours: it was sent from there. What others send in its name does not count. */
  admitKnown(client: ClientKey): boolean;
  admitTcp(client: ClientKey): boolean;
  /** An answer that is a denial or an error. */
  admitError(client: ClientKey, rcode: number): Admission;
  metrics(): readonly Metric[];
}

export function createClientLimits(options: ClientLimitOptions = defaultClientLimits): ClientLimits {
  const clock = options.now && { now: options.now };
  const bucket = (): RateLimit =>
    new RateLimit({ perSecond: options.queriesPerSecond, burst: options.queriesBurst, ...clock });
  const ofErrors = (): RateLimit =>
    new RateLimit({ perSecond: options.errorsPerSecond, burst: options.errorsBurst, ...clock });
  const udp = bucket();
  const known = bucket();
  const tcp = bucket();
  const denials = ofErrors();
  const errors = ofErrors();
  let forgiven = 0;

  return {
    admit: (client) => udp.admit(client),
    admitKnown(client) {
      const isAdmitted = known.admit(client) === 'answer';
      if (isAdmitted) forgiven += 1;
      return isAdmitted;
    },
    admitTcp: (client) => tcp.admit(client) === 'answer',
    admitError: (client, rcode) => (rcode === RCODE.NXDOMAIN ? denials : errors).admit(client),
    metrics: () => [
      {
        name: 'podnet_dns_client_limited_queries_total',
        help: 'Questions not answered because their client asked too many.',
        type: 'counter',
        samples: [
          { labels: { proto: 'udp' }, value: udp.refusals - forgiven },
          { labels: { proto: 'tcp' }, value: tcp.refusals },
        ],
      },
      {
        name: 'podnet_dns_client_limited_responses_total',
        help: 'Denials and errors not sent because their client was sent too many.',
        type: 'counter',
        samples: [
          { labels: { kind: 'denial' }, value: denials.refusals },
          { labels: { kind: 'error' }, value: errors.refusals },
        ],
      },
    ],
  };
}
