import { createHash } from 'node:crypto';
import type { Attachment } from '../spec/config.ts';

/** An attachment of one network. */
export interface OwnerIdentity extends Attachment {
  /** The network's name. */
  readonly network: string;
}

/**
 * Whom an element or rule belongs to, as its comment says: `NETWORK CONTAINERID IFNAME`, what is too long for a comment
 * (127 bytes) shortened to its beginning and the start of its SHA-256.
 */
export function ownerOf({ network, containerId, ifName }: OwnerIdentity): string {
  return `${ownersNetwork(network)} ${shorten(containerId, 64)} ${ifName}`;
}

/** What the comments of all the network's attachments begin with, up to the first space. */
export function ownersNetwork(network: string): string {
  return shorten(network, 40);
}

function shorten(text: string, length: number): string {
  if (text.length <= length) return text;
  const digest = createHash('sha256').update(text).digest('hex').slice(0, 16);
  return `${text.slice(0, length - digest.length - 1)}~${digest}`;
}

/** For people: whom a comment speaks of. */
export function describeOwner(owner: string | undefined): string {
  const [network, containerId, ifName] = owner?.split(' ') ?? [];
  if (ifName === undefined) return 'somebody else';
  return `container ${containerId} (interface ${ifName}, network ${network})`;
}

/** Whether what the comment speaks of is an attachment of the network that GC was not told to keep. */
export function isGarbage(network: string, valid: readonly Attachment[]): (owner: string) => boolean {
  const keep = new Set(valid.map((attachment) => ownerOf({ network, ...attachment })));
  const prefix = `${ownersNetwork(network)} `;
  return (owner) => owner.startsWith(prefix) && !keep.has(owner);
}
