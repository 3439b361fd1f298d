import { openIptables } from '../../src/kernel/iptables/iptables.ts';
import { testIptables } from '../../src/kernel/iptables/iptables-conformance.ts';
import { createNetns } from '../../src/kernel/netns.ts';
import { findProgram } from '../../src/kernel/process.ts';

function openInNewNetns(): ReturnType<typeof openIptables> {
  const netns = createNetns();
  const door = openIptables({ netns });
  const close = (): void => {
    door.close();
    netns.close();
  };
  return {
    tables: (family) => door.tables(family),
    edit: (family, edits) => door.edit(family, edits),
    removeEmptyTables: (family) => door.removeEmptyTables(family),
    generation: () => door.generation(),
    close,
  };
}

const missing = findProgram('iptables-restore') === undefined && 'iptables is not installed';
testIptables('openIptables', openInNewNetns, missing);
