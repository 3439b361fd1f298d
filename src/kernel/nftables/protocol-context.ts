import type { Expression, Payload } from './expressions.ts';

const TRANSPORTS = { tcp: 6, udp: 17, sctp: 132, icmp: 1, icmpv6: 58 } as const;
const ETHER_TYPES = { ip: 0x0800, ip6: 0x86dd } as const;
const NFPROTOS = { ip: 2, ip6: 10 } as const;
const ARPHRD_ETHER = 1;

/** What is known of the packet so far: its network and transport protocols, and whether its link is Ethernet. */
export class ProtocolContext {
  readonly #family: string;
  #network: 'ip' | 'ip6' | undefined;
  #transport: number | undefined;
  #ethernet: boolean;

  constructor(family: string) {
    this.#family = family;
    this.#network = family === 'ip' || family === 'ip6' ? family : undefined;
    this.#ethernet = family === 'bridge' || family === 'netdev';
  }

  get network(): 'ip' | 'ip6' | undefined {
    return this.#network;
  }

  get transport(): number | undefined {
    return this.#transport;
  }

  /** The condition to check before this header may be read; undefined when it is known to be there. */
  need({
    protocol,
  }: Payload): { key: 'nfproto' | 'protocol' | 'l4proto' | 'iiftype'; value: Uint8Array } | undefined {
    switch (protocol) {
      case 'th':
        return undefined;
      case 'ether': {
        if (this.#ethernet) return undefined;
        this.#ethernet = true;
        return { key: 'iiftype', value: Uint8Array.of(ARPHRD_ETHER, 0) };
      }
      case 'ip':
      case 'ip6': {
        if (this.#network === protocol) return undefined;
        if (this.#network !== undefined)
          throw new RangeError(`${protocol} headers in ${this.#network} packets`);
        this.#network = protocol;
        if (this.#family === 'inet') return { key: 'nfproto', value: Uint8Array.of(NFPROTOS[protocol]) };
        const type = ETHER_TYPES[protocol];
        return { key: 'protocol', value: Uint8Array.of(type >> 8, type & 0xff) };
      }
      case 'tcp':
      case 'udp':
      case 'sctp':
      case 'icmp':
      case 'icmpv6':
        return this.needTransport(TRANSPORTS[protocol]);
    }
  }

  needTransport(number: number): { key: 'l4proto'; value: Uint8Array } | undefined {
    if (this.#transport === number) return undefined;
    if (this.#transport !== undefined) throw new RangeError(`Two transport protocols in one rule`);
    this.#transport = number;
    return { key: 'l4proto', value: Uint8Array.of(number) };
  }

  /** Learns from `meta l4proto tcp`, `ip protocol tcp`, `meta nfproto ipv4` and the like. */
  learn(expression: Expression, value: Uint8Array): void {
    if (expression.kind === 'masked') return;
    const transport =
      (expression.kind === 'meta' && expression.key === 'l4proto') ||
      (expression.kind === 'payload' && (expression.field === 'protocol' || expression.field === 'nexthdr'));
    if (transport) this.#transport = value[0];
    if (expression.kind === 'meta' && expression.key === 'nfproto') {
      if (value[0] === NFPROTOS.ip) this.#network = 'ip';
      if (value[0] === NFPROTOS.ip6) this.#network = 'ip6';
    }
  }
}
