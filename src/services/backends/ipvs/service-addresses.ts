import { isErrno } from '../../../kernel/ffi.ts';
import type { Rtnl } from '../../../kernel/rtnl/rtnl.ts';
import { PodnetError } from '../../../model/errors.ts';

/** kube-proxy's device for the addresses of Services: IPVS sees only what is sent to the node itself. */
export const DEVICE = 'kube-ipvs0';

/** The addresses of Services, bound on a device of their own. */
export class ServiceAddresses {
  readonly #rtnl: Rtnl;

  constructor(rtnl: Rtnl) {
    this.#rtnl = rtnl;
  }

  /** Binds these and no others. */
  replace(wanted: ReadonlySet<string>): void {
    this.#makeDevice();
    const bound = this.bound();
    const gone = [...bound].filter((address) => !wanted.has(address));
    const come = [...wanted].filter((address) => !bound.has(address));
    this.#rtnl.batch((to) => {
      for (const address of gone) to.deleteAddress(spec(address));
      for (const address of come) to.addAddress({ ...spec(address), noDad: true });
    });
  }

  bound(): ReadonlySet<string> {
    if (this.#rtnl.link(DEVICE) === undefined) return new Set();
    const addresses = this.#rtnl.addresses({ link: DEVICE }).filter(({ scope }) => scope === 'universe');
    return new Set(addresses.map(({ address }) => address));
  }

  remove(): void {
    if (this.#rtnl.link(DEVICE) !== undefined) this.#rtnl.deleteLink(DEVICE);
  }

  #makeDevice(): void {
    if (this.#rtnl.link(DEVICE) !== undefined) return;
    try {
      this.#rtnl.addLink({ kind: 'dummy', name: DEVICE });
    } catch (error) {
      if (!isErrno(error, 'EOPNOTSUPP')) throw error;
      throw new PodnetError('This kernel has no dummy links', {
        code: 'kernel-lacks',
        where: 'module dummy',
        fix: "Load it (modprobe dummy) or use a kernel that has it, such as Debian's linux-image-amd64.",
        cause: error,
      });
    }
    this.#rtnl.setLink(DEVICE, { ipv6AddressGeneration: 'none', up: true });
  }
}

function spec(address: string): { link: string; address: string; prefixLength: number } {
  return { link: DEVICE, address, prefixLength: address.includes(':') ? 128 : 32 };
}
