import { cniErrorCodes } from '../spec/error.ts';
import { Violation, describeOutcome, requireError } from './call-plugin.ts';
import type { KitCase } from './case.ts';

const { decoding, incompatibleVersion, invalidConfig, invalidEnvironment } = cniErrorCodes;

/** Commands with the variables the specification requires of them. */
const required = [
  ['ADD', ['CNI_CONTAINERID', 'CNI_NETNS', 'CNI_IFNAME']],
  ['DEL', ['CNI_CONTAINERID', 'CNI_IFNAME']],
  ['CHECK', ['CNI_CONTAINERID', 'CNI_NETNS', 'CNI_IFNAME']],
] as const;

const badValues = [
  ['CNI_CONTAINERID', '-starts-with-a-hyphen'],
  ['CNI_CONTAINERID', '../../etc'],
  ['CNI_IFNAME', 'sixteen-bytes-xx'],
  ['CNI_IFNAME', 'a/b'],
  ['CNI_IFNAME', '..'],
] as const;

export const inputCases: readonly KitCase[] = [
  {
    name: 'missing-variables',
    title: 'an environment without a variable fails with code 4, which names the variable',
    async run(bench) {
      for (const [command, names] of required) {
        for (const name of names)
          requireError(await bench.call(command, { pod: bench.pod(), environment: { [name]: undefined } }), {
            codes: [invalidEnvironment],
            mentions: name,
            when: `without ${name}`,
          });
      }
    },
  },
  {
    name: 'error-version',
    title: 'an error bears the version of the configuration',
    async run(bench, { common }) {
      for (const version of common) {
        const { json } = await bench.call('ADD', {
          pod: bench.pod(),
          version,
          environment: { CNI_IFNAME: undefined },
        });
        if (json?.['cniVersion'] !== version)
          throw new Violation(`asked in ${version}, it answers in ${JSON.stringify(json?.['cniVersion'])}`);
      }
    },
  },
  {
    name: 'missing-command',
    title: 'no command and an unknown one fail with code 4',
    async run(bench) {
      const pod = bench.pod();
      const cases = [
        ['without CNI_COMMAND', undefined],
        ['with an unknown CNI_COMMAND', 'CREATE'],
      ] as const;
      for (const [when, command] of cases)
        requireError(await bench.call('ADD', { pod, environment: { CNI_COMMAND: command } }), {
          codes: [invalidEnvironment],
          mentions: 'CNI_COMMAND',
          when,
        });
    },
  },
  {
    name: 'bad-variables',
    title: 'container ids and interface names that cannot be fail with code 4',
    async run(bench) {
      for (const [name, value] of badValues)
        requireError(await bench.call('ADD', { pod: bench.pod(), environment: { [name]: value } }), {
          codes: [invalidEnvironment],
          when: `with ${name}=${value}`,
        });
    },
  },
  {
    name: 'wrong-version',
    title: 'a configuration of an unknown version fails with code 1',
    async run(bench) {
      for (const command of ['ADD', 'DEL'])
        requireError(await bench.call(command, { pod: bench.pod(), version: '9.9.9' }), {
          codes: [incompatibleVersion],
          when: 'in version 9.9.9',
        });
    },
  },
  {
    name: 'broken-json',
    title: 'a configuration that is no JSON fails with code 6',
    async run(bench) {
      for (const stdin of ['{"cniVersion": "1.0.0", "name": ', '[]', 'nonsense'])
        requireError(await bench.call('ADD', { pod: bench.pod(), stdin }), {
          codes: [decoding],
          when: `with ${stdin} on stdin`,
        });
    },
  },
  {
    name: 'empty-stdin',
    title: 'an empty stdin fails with code 6',
    async run(bench) {
      requireError(await bench.call('ADD', { pod: bench.pod(), stdin: '' }), {
        codes: [decoding],
        when: 'with nothing on stdin',
      });
    },
  },
  {
    name: 'bad-name',
    title: 'a network without a name, or with an impossible one, fails with code 7',
    async run(bench) {
      for (const name of [undefined, '../../etc', '-x'])
        requireError(await bench.call('ADD', { pod: bench.pod(), config: { name } }), {
          codes: [invalidConfig],
          when: name === undefined ? 'without a network name' : `with the network name ${name}`,
        });
    },
  },
  {
    name: 'huge-stdin',
    title: '16 MiB on stdin are taken or refused in time',
    async run(bench) {
      const stdin = `{"cniVersion":"${bench.version}","padding":"${'x'.repeat(16 << 20)}"}`;
      const outcome = await bench.call('ADD', { pod: bench.pod(), stdin });
      requireError(outcome, { when: 'with 16 MiB and no name on stdin' });
      return describeOutcome(outcome);
    },
  },
  {
    name: 'refuses-cleanly',
    title: 'what was refused left nothing',
    async run(bench) {
      const pod = bench.pod();
      const before = await bench.inside(pod);
      const outcome = await bench.call('ADD', { pod, config: { prevResult: 7, ipam: 7 } });
      if (outcome.status === 0) throw new Violation('ADD took a number for prevResult and ipam');
      await bench.requireInside(pod, before, 'after an ADD that was refused');
      await bench.requireNode('after ADDs that were refused');
    },
  },
];
