/** IPVS and SCTP, under Debian's kernel where this machine's has none. */
import { test } from 'node:test';
import { runTestsInVm } from '../vm/node-tests.ts';
import { vmUnavailable } from '../vm/run-in-vm.ts';

/** IPVS, nf_tables, and what iptables' programs need of nf_tables. */
const modules = [
  'ip_vs ip_vs_rr ip_vs_sh dummy veth nf_conntrack_netlink',
  'nf_tables nft_chain_nat nft_nat nft_masq nft_ct nft_numgen nft_fib nft_fib_ipv4 nft_fib_ipv6',
  'nft_reject nft_reject_ipv4 nft_reject_ipv6 nft_compat ipt_REJECT ip6t_REJECT xt_tcpudp xt_sctp',
  'xt_comment xt_conntrack xt_mark xt_addrtype xt_recent xt_statistic xt_nat xt_MASQUERADE',
].flatMap((names) => names.split(' '));

const skip = vmUnavailable() ?? false;

test('IPVS and SCTP under Debian’s kernel', { skip, timeout: 600_000 }, async (t) => {
  const probes = process.env['PODNET_VM_PROBES'];
  await runTestsInVm(t, {
    modules,
    testFiles: [
      'tests/integration/ipvs-kernel.test.ts',
      'tests/integration/services-switch.test.ts',
      'tests/integration/services-packets.test.ts',
      'tests/e2e/support/ipvs-services.ts',
    ],
    // Of the switches those that cannot be tried without IPVS; SCTP on every backend.
    pattern: 'Ipvs|ipvs|SCTP',
    ...(probes !== undefined && { environment: { PODNET_VM_PROBES: probes } }),
    timeoutMs: 590_000,
  });
});
