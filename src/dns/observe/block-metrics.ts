import type { ServerPlan } from '../corefile/plan.ts';
import type { Request } from '../serving/request.ts';
import { rcodeName, typeName } from '../wire/constants.ts';
import { printKey } from '../wire/name.ts';
import { Histogram, type LabelValues, type Metric } from './exposition.ts';

/** One question and what was answered. Valid during the call it is passed to. */
export interface Seen {
  readonly request: Request;
  /** The answer's bytes, of which the first `length` count; 0 for none. */
  readonly answer: Buffer;
  readonly length: number;
  readonly seconds: number;
  /** It had to be fetched from somebody else. */
  readonly waited?: boolean;
}

/** As CoreDNS has them, so that its dashboards fit. */
const SECONDS = Array.from({ length: 16 }, (_, index) => 0.00025 * 2 ** index);
const BYTES = [0, 100, 200, 300, 400, 511, 1023, 2047, 4095, 8291, 16e3, 32e3, 48e3, 64e3];

/** Types that are counted by their name; all others are `other`, lest clients invent metrics. */
const COUNTED_TYPES = new Set([
  'A',
  'AAAA',
  'MX',
  'SOA',
  'CNAME',
  'PTR',
  'TXT',
  'NS',
  'SRV',
  'DS',
  'DNSKEY',
  'RRSIG',
  'NSEC',
  'HTTPS',
  'ANY',
]);

/** What was asked of a server block, and how it was answered. */
export class BlockMetrics {
  readonly #labels: LabelValues;
  /** By protocol, family and type. */
  readonly #requests = new Map<string, { readonly labels: LabelValues; value: number }>();
  readonly #responses = new Map<number, number>();
  readonly #seconds = new Histogram(SECONDS);
  readonly #sizes = {
    udp: { request: new Histogram(BYTES), response: new Histogram(BYTES) },
    tcp: { request: new Histogram(BYTES), response: new Histogram(BYTES) },
  } as const;
  #dnssecOk = 0;

  constructor({ zones, port, view }: Pick<ServerPlan, 'zones' | 'port' | 'view'>) {
    const zone = zones.map((key) => (printKey(key) === '.' ? '.' : `${printKey(key)}.`)).join(',');
    this.#labels = { server: `dns://:${port}`, zone, view: view?.name ?? '' };
  }

  count({ request, answer, length, seconds }: Seen): void {
    const { query, transport } = request;
    const family = request.family === 6 ? '2' : '1';
    const name = typeName(query.type);
    const type = COUNTED_TYPES.has(name) ? name : 'other';
    const key = `${transport}${family}${type}`;
    const counted = this.#requests.get(key);
    if (counted === undefined)
      this.#requests.set(key, { labels: { ...this.#labels, proto: transport, family, type }, value: 1 });
    else counted.value += 1;
    if (query.edns?.dnssecOk === true) this.#dnssecOk += 1;
    this.#seconds.observe(seconds);
    this.#sizes[transport].request.observe(request.length);
    if (length === 0) return;
    const rcode = (answer[3] ?? 0) & 0xf;
    this.#responses.set(rcode, (this.#responses.get(rcode) ?? 0) + 1);
    this.#sizes[transport].response.observe(length);
  }

  metrics(): readonly Metric[] {
    const labels = this.#labels;
    const sizes = (of: 'request' | 'response'): Metric['samples'] =>
      Object.entries(this.#sizes).map(([proto, each]) => ({
        labels: { ...labels, proto },
        histogram: each[of],
      }));
    return [
      {
        name: 'coredns_dns_requests_total',
        help: 'Questions by zone, protocol, family and type.',
        type: 'counter',
        samples: [...this.#requests.values()],
      },
      {
        name: 'coredns_dns_request_duration_seconds',
        help: 'Time from question to answer.',
        type: 'histogram',
        samples: [{ labels, histogram: this.#seconds }],
      },
      {
        name: 'coredns_dns_request_size_bytes',
        help: 'Length of questions.',
        type: 'histogram',
        samples: sizes('request'),
      },
      {
        name: 'coredns_dns_response_size_bytes',
        help: 'Length of answers.',
        type: 'histogram',
        samples: sizes('response'),
      },
      {
        name: 'coredns_dns_do_requests_total',
        help: 'Questions with the DO bit set.',
        type: 'counter',
        samples: [{ labels, value: this.#dnssecOk }],
      },
      {
        name: 'coredns_dns_responses_total',
        help: 'Answers by rcode.',
        type: 'counter',
        samples: [...this.#responses].map(([rcode, value]) => ({
          labels: { ...labels, rcode: rcodeName(rcode), plugin: '' },
          value,
        })),
      },
    ];
  }
}
