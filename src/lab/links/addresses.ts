/** Names and addresses of the lab's physical network; see `underlay.ts` for the picture. */
import type { IpFamily } from '../../model/ip.ts';

/** One network of the lab in one IP family. */
export interface UnderlayAddresses {
  readonly family: IpFamily;
  readonly prefixLength: number;
  /** Of the router, towards the nodes and towards the world. */
  readonly router: string;
  readonly worldGateway: string;
  readonly world: string;
  /** Of the node with this index, counted from 0. */
  readonly node: (index: number) => string;
}

/** The documentation's prefixes stand for the world: RFC 5737, RFC 3849. */
export const underlayAddresses: Readonly<Record<IpFamily, UnderlayAddresses>> = {
  4: {
    family: 4,
    prefixLength: 24,
    router: '172.18.0.1',
    worldGateway: '203.0.113.1',
    world: '203.0.113.10',
    node: (index) => `172.18.0.${index + 2}`,
  },
  6: {
    family: 6,
    prefixLength: 64,
    router: 'fd00:172:18::1',
    worldGateway: '2001:db8:113::1',
    world: '2001:db8:113::10',
    node: (index) => `fd00:172:18::${(index + 2).toString(16)}`,
  },
};

export const mtuBytes = 1500;

/** Of the node with this index, counted from 0. */
export function nodeName(index: number): string {
  return `node-${index + 1}`;
}
