/** IPVS, under Debian's kernel where this machine's has none. */
import { test } from 'node:test';
import { runTestsInVm } from '../vm/node-tests.ts';
import { vmUnavailable } from '../vm/run-in-vm.ts';

const modules = [
  ...['ip_vs', 'ip_vs_rr', 'ip_vs_sh', 'dummy', 'veth'],
  ...['nf_tables', 'nft_chain_nat', 'nft_masq', 'nft_nat', 'nft_ct', 'nft_numgen', 'nft_fib', 'nft_fib_ipv4'],
  ...[
    'nft_fib_ipv6',
    'nft_reject',
    'nft_reject_ipv4',
    'nft_reject_ipv6',
    'nf_conntrack_netlink',
    'nft_compat',
  ],
  ...['xt_comment', 'xt_conntrack', 'xt_mark', 'xt_addrtype', 'xt_recent', 'xt_statistic', 'xt_nat'],
  ...['xt_MASQUERADE', 'xt_tcpudp', 'xt_sctp', 'ipt_REJECT', 'ip6t_REJECT'],
];

test('IPVS under Debian’s kernel', { skip: vmUnavailable() ?? false, timeout: 180_000 }, async (t) => {
  await runTestsInVm(t, {
    modules,
    testFiles: ['tests/integration/ipvs-kernel.test.ts', 'tests/integration/services-switch.test.ts'],
    timeoutMs: 170_000,
  });
});
