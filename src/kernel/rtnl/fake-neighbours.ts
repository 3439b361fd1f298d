import { parseIp } from '../../model/ip.ts';
import { encodeMac } from './names.ts';
import { refuse } from './refuse.ts';
import type * as rtnl from './rtnl.ts';

/** The neighbours of one fake namespace, and the forwarding tables of its bridges and VXLANs. */
export class FakeNeighbours {
  #neighbours: rtnl.Neighbour[] = [];
  #forwarding: rtnl.ForwardingEntry[] = [];

  list(): readonly rtnl.Neighbour[] {
    return this.#neighbours;
  }

  forwarding(): readonly rtnl.ForwardingEntry[] {
    return this.#forwarding;
  }

  /** The link went down: its neighbours go with it. */
  forget(link: number): void {
    this.#neighbours = this.#neighbours.filter((each) => each.link !== link);
  }

  /** The link was deleted. */
  forgetForwarding(link: number): void {
    this.#forwarding = this.#forwarding.filter((each) => each.link !== link);
  }

  replace(link: number, { address, mac, state = 'permanent' }: Omit<rtnl.NeighbourSpec, 'link'>): void {
    encodeMac(mac);
    this.#neighbours = this.#neighbours.filter((each) => each.link !== link || each.address !== address);
    this.#neighbours.push({ family: parseIp(address).family, link, address, mac: mac.toLowerCase(), state });
  }

  delete(link: number, address: string): void {
    const found = this.#neighbours.find((each) => each.link === link && each.address === address);
    if (!found) throw refuse('ENOENT', `delete neighbour ${address}`);
    this.#neighbours = this.#neighbours.filter((each) => each !== found);
  }

  replaceForwarding(link: number, { mac, destination }: Omit<rtnl.ForwardingEntrySpec, 'link'>): void {
    const adds = mac === '00:00:00:00:00:00';
    this.#forwarding = this.#forwarding.filter(
      (each) => each.link !== link || each.mac !== mac || (adds && each.destination !== destination),
    );
    this.#forwarding.push({ link, mac, destination, state: 'permanent', self: destination !== undefined });
  }

  deleteForwarding(link: number, { mac, destination }: Omit<rtnl.ForwardingEntrySpec, 'link'>): void {
    const found = this.#forwarding.find(
      (each) => each.link === link && each.mac === mac && each.destination === destination,
    );
    if (!found) throw refuse('ENOENT', `delete forwarding entry ${mac}`);
    this.#forwarding = this.#forwarding.filter((each) => each !== found);
  }
}
