import type { Ipvs } from '../../src/kernel/ipvs/ipvs.ts';
import { openIpvs } from '../../src/kernel/ipvs/kernel-ipvs.ts';
import { openRtnl } from '../../src/kernel/rtnl/rtnl.ts';
import { testIpvs } from '../../src/kernel/ipvs/ipvs-conformance.ts';
import { createNetns } from '../../src/kernel/netns.ts';
import { errorMessage } from '../../src/model/errors.ts';

function openInNewNetns(): Ipvs {
  const netns = createNetns();
  // A namespace that never had an address takes every address for a broadcast's, and real servers must not be that.
  const rtnl = openRtnl({ netns });
  rtnl.setLink('lo', { up: true });
  rtnl.close();
  const door = openIpvs({ netns });
  const close = (): void => {
    door.close();
    netns.close();
  };
  return {
    apply: (commands) => door.apply(commands),
    servers: () => door.servers(),
    realServers: (of) => door.realServers(of),
    close,
  };
}

/** The end-to-end tests run this file again under a kernel that has it. */
function missing(): string | false {
  try {
    openInNewNetns().close();
    return false;
  } catch (error) {
    return errorMessage(error);
  }
}

testIpvs('openIpvs', openInNewNetns, missing());
