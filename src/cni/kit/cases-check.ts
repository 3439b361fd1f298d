import { findProgram, runProgram } from '../../kernel/process.ts';
import { type Attached, type Bench } from './bench.ts';
import { requireError, requireSilentSuccess } from './call-plugin.ts';
import { type Facts, type KitCase, firstOf, since } from './case.ts';

const notMadeHere = ({ makesInterface, isChained }: Facts): string | undefined => {
  if (isChained) return 'the plugin before it answers for interfaces, addresses and routes';
  return makesInterface ? undefined : 'it makes no interface';
};

export const checkCases: readonly KitCase[] = [
  {
    name: 'check',
    title: 'CHECK succeeds after ADD',
    notFor: since('0.4.0'),
    async run(bench, { common }) {
      for (const version of common.filter((one) => one >= '0.4.0')) {
        const attached = await bench.attach(bench.pod(), version);
        requireSilentSuccess(await bench.callAttached('CHECK', attached), `in version ${version}`);
        await bench.detach(attached);
      }
    },
  },
  {
    name: 'check-without-previous',
    title: 'CHECK fails without prevResult',
    notFor: since('0.4.0'),
    async run(bench) {
      const { pod } = await bench.attach(bench.pod());
      requireError(await bench.call('CHECK', { pod }), { when: 'without prevResult' });
    },
  },
  {
    name: 'check-old-version',
    title: 'CHECK fails in a version that does not have it',
    notFor: firstOf(since('0.4.0'), ({ common }) =>
      common.includes('0.3.1') ? undefined : 'it speaks no version without CHECK',
    ),
    async run(bench) {
      const attached = await bench.attach(bench.pod(), '0.3.1');
      requireError(await bench.callAttached('CHECK', attached), { codes: [1], when: 'in version 0.3.1' });
    },
  },
  tampering({
    name: 'check-interface-gone',
    what: 'the interface was deleted',
    notFor: notMadeHere,
    harm: (bench, { pod, ifName }) =>
      bench.change(pod, (rtnl) =>
        rtnl.link(ifName)?.loopback ? rtnl.setLink(ifName, { up: false }) : rtnl.deleteLink(ifName),
      ),
  }),
  tampering({
    name: 'check-address-gone',
    what: 'an address was removed',
    notFor: firstOf(notMadeHere, ({ hasAddresses }) => (hasAddresses ? undefined : 'it gives no addresses')),
    harm: (bench, { pod, ifName, result }) =>
      bench.change(pod, (rtnl) => {
        const [address = '', prefixLength] = (result.ips?.[0]?.address ?? '').split('/');
        rtnl.deleteAddress({ link: ifName, address, prefixLength: Number(prefixLength) });
      }),
  }),
  tampering({
    name: 'check-route-gone',
    what: 'a route was removed',
    notFor: firstOf(notMadeHere, ({ hasRoutes }) => (hasRoutes ? undefined : 'it makes no routes')),
    harm: (bench, { pod, result }) =>
      bench.change(pod, (rtnl) => {
        const dst = result.routes?.[0]?.dst;
        for (const route of rtnl.routes().filter((one) => one.dst === dst)) {
          const { gateway, link, table, metric, scope, protocol } = route;
          rtnl.deleteRoute({
            dst: route.dst,
            ...(gateway !== undefined && { gateway }),
            ...(link !== undefined && { link }),
            table,
            metric,
            scope,
            protocol,
          });
        }
      }),
  }),
  tampering({
    name: 'check-rules-gone',
    what: 'its rules were flushed from nftables',
    notFor: ({ isChained, hasRules }) =>
      isChained && hasRules && findProgram('nft') !== undefined
        ? undefined
        : 'it is not made of rules of nftables',
    harm: async () => void (await runProgram('nft', ['flush', 'ruleset'])),
  }),
  {
    name: 'status',
    title: 'STATUS succeeds, or says with code 50 or 51 that ADD would not',
    notFor: since('1.1.0'),
    async run(bench) {
      const outcome = await bench.call('STATUS');
      if (outcome.status === 0) return requireSilentSuccess(outcome);
      return requireError(outcome, { codes: [50, 51], when: 'of a plugin that works' });
    },
  },
  {
    name: 'new-commands-old-version',
    title: 'GC and STATUS fail in a version that does not have them',
    notFor: firstOf(since('1.1.0'), ({ common }) =>
      common.includes('1.0.0') ? undefined : 'it speaks no version without them',
    ),
    async run(bench) {
      for (const command of ['GC', 'STATUS'])
        requireError(await bench.call(command, { version: '1.0.0' }), {
          codes: [1],
          when: 'in version 1.0.0',
        });
    },
  },
];

interface Tampering {
  readonly name: string;
  readonly what: string;
  readonly notFor: (facts: Facts) => string | undefined;
  readonly harm: (bench: Bench, attached: Attached) => void | Promise<void>;
}

/** CHECK must notice, and DEL must cope. */
function tampering({ name, what, notFor, harm }: Tampering): KitCase {
  return {
    name,
    title: `CHECK fails after ${what}, and DEL still succeeds`,
    notFor: firstOf(since('0.4.0'), notFor),
    async run(bench) {
      const attached = await bench.attach(bench.pod());
      await harm(bench, attached);
      const outcome = await bench.callAttached('CHECK', attached);
      requireSilentSuccess(await bench.callAttached('DEL', attached), `after ${what}`);
      requireError(outcome, { when: `after ${what}` });
    },
  };
}
