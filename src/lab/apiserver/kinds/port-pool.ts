import { internalError } from '../status.ts';
import { candidates, staticBand } from './static-band.ts';

/** `TCP/30080`. */
export function portKey(port: number, protocol: string): string {
  return `${protocol === '' ? 'TCP' : protocol}/${port}`;
}

/** Node ports of one range. */
export interface PortPool {
  /** The problem, or `undefined` when the port is now taken. */
  take(port: number, protocol: string, owner: string): string | undefined;
  next(protocol: string, owner: string): number;
  free(key: string): void;
  restore(key: string, owner: string): void;
}

export function createPortPool(range: string): PortPool {
  const [first = 0, last = 0] = range.split('-').map(Number);
  if (!/^\d+-\d+$/u.test(range) || first < 1 || last > 65_535 || first > last) {
    throw new RangeError(`Cannot parse node port range ${JSON.stringify(range)}: expected FIRST-LAST`);
  }
  const used = new Map<string, string>();
  const size = last - first + 1;
  return {
    take(port, protocol, owner) {
      if (port < first || port > last)
        return `provided port is not in the valid range. The range of valid ports is ${first}-${last}`;
      const key = portKey(port, protocol);
      if (used.has(key)) return 'provided port is already allocated';
      used.set(key, owner);
      return undefined;
    },
    next(protocol, owner) {
      for (const offset of candidates(size, staticBand(size, { divisor: 32, most: 128 }))) {
        const key = portKey(first + offset, protocol);
        // One number for all protocols, as a person would expect.
        if (['TCP', 'UDP', 'SCTP'].some((other) => used.has(portKey(first + offset, other)))) continue;
        used.set(key, owner);
        return first + offset;
      }
      throw internalError('failed to allocate a nodePort: range is full');
    },
    free: (key) => used.delete(key),
    restore: (key, owner) => used.set(key, owner),
  };
}
