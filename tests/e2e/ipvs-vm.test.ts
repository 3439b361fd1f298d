/** IPVS, under Debian's kernel where this machine's has none. */
import { test } from 'node:test';
import { runTestsInVm } from '../vm/node-tests.ts';
import { vmUnavailable } from '../vm/run-in-vm.ts';

const modules = ['ip_vs', 'ip_vs_rr', 'dummy', 'veth', 'nf_tables', 'nft_chain_nat', 'nft_masq', 'nft_ct'];

test('IPVS under Debian’s kernel', { skip: vmUnavailable() ?? false, timeout: 180_000 }, async (t) => {
  await runTestsInVm(t, {
    modules,
    testFiles: ['tests/integration/ipvs-kernel.test.ts'],
    timeoutMs: 170_000,
  });
});
