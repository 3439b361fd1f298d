/** Getting rid of links. Deleting one takes the kernel as long as deleting hundreds, so a server collects them. */
import { isErrno } from '../../kernel/ffi.ts';
import { currentNetns, currentNetnsInode } from '../../kernel/netns.ts';
import { type Link, type LinkRef, type Rtnl, openRtnl } from '../../kernel/rtnl/rtnl.ts';
import { TRASH_LINK_GROUP } from '../pod-link-plan.ts';

/** Deleting waits until no link was discarded for this long. */
const COLLECT_DELAY_MS = 500;
/** But no longer than this after the first. */
const COLLECT_LIMIT_MS = 5000;

export interface Discarding {
  /** The process goes on: take the link out of service now, delete it together with others in the background. */
  readonly later: boolean;
}

/** Takes a link out of service, in the namespace of `rtnl`, which must be the calling thread's. None is no error. */
export function discardLink(rtnl: Rtnl, ref: LinkRef, { later }: Discarding): void {
  try {
    if (!later) {
      rtnl.deleteLink(ref);
      return;
    }
    rtnl.setLink(ref, { up: false, group: TRASH_LINK_GROUP });
  } catch (error) {
    if (!isErrno(error, 'ENODEV')) throw error;
    return;
  }
  scheduleCollection();
}

export function isDiscarded(link: Link): boolean {
  return link.group === TRASH_LINK_GROUP;
}

interface Collection {
  timer: NodeJS.Timeout;
  readonly since: number;
}

/** By the inode of the namespace the links are in. */
const collections = new Map<bigint, Collection>();

function scheduleCollection(): void {
  const planned = collections.get(currentNetnsInode());
  if (planned) {
    if (performance.now() - planned.since < COLLECT_LIMIT_MS) planned.timer.refresh();
    return;
  }
  const netns = currentNetns();
  const { inode } = netns;
  const timer = setTimeout(() => {
    collections.delete(inode);
    const rtnl = openRtnl({ netns });
    rtnl
      .deleteLinkGroupInBackground(TRASH_LINK_GROUP)
      // What cannot be deleted now is tried again with the next link.
      .catch(() => {})
      .finally(() => {
        rtnl.close();
        netns.close();
      });
  }, COLLECT_DELAY_MS);
  timer.unref();
  collections.set(inode, { timer, since: performance.now() });
}
