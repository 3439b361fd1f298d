/** VLANs of bridges, under Debian's kernel where this machine's has none. */
import { test } from 'node:test';
import { runTestsInVm } from '../vm/node-tests.ts';
import { vmUnavailable } from '../vm/run-in-vm.ts';

test(
  'bridge VLANs under Debian’s kernel',
  { skip: vmUnavailable() ?? false, timeout: 180_000 },
  async (t) => {
    await runTestsInVm(t, {
      modules: ['bridge', 'veth', '8021q'],
      testFiles: ['tests/integration/cni-bridge-vlan.test.ts', 'tests/integration/rtnl-kernel.test.ts'],
      pattern: 'VLAN|vlan',
      timeoutMs: 170_000,
    });
  },
);
