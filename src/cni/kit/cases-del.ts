import { Violation, requireSilentSuccess } from './call-plugin.ts';
import { type KitCase, since } from './case.ts';

export const delCases: readonly KitCase[] = [
  {
    name: 'del',
    title: 'DEL leaves nothing in the container and nothing of it on the node',
    async run(bench) {
      const pod = bench.pod();
      const before = await bench.inside(pod);
      const attached = await bench.attach(pod);
      requireSilentSuccess(await bench.callAttached('DEL', attached));
      await bench.detach(attached);
      await bench.requireInside(pod, before, 'after DEL');
      await bench.requireNode('after DEL');
    },
  },
  {
    name: 'del-twice',
    title: 'a second DEL succeeds',
    async run(bench) {
      const attached = await bench.attach(bench.pod());
      await bench.detach(attached);
      requireSilentSuccess(await bench.callAttached('DEL', attached), 'for the second time');
    },
  },
  {
    name: 'del-without-add',
    title: 'DEL of what was never added succeeds',
    async run(bench) {
      requireSilentSuccess(await bench.call('DEL', { pod: bench.pod() }), 'without ADD');
      await bench.requireNode('after DEL without ADD');
    },
  },
  {
    name: 'del-dead-namespace',
    title: 'DEL succeeds when the namespace is gone, and frees what the node kept',
    async run(bench) {
      for (const netns of ['as it was', 'unset']) {
        const attached = await bench.attach(bench.pod());
        attached.pod.kill();
        const environment = netns === 'unset' ? { CNI_NETNS: undefined } : {};
        requireSilentSuccess(
          await bench.callAttached('DEL', attached, { environment }),
          `with a namespace that is gone and CNI_NETNS ${netns}`,
        );
        await bench.detach(attached);
      }
      await bench.requireNode('after DEL with a namespace that is gone');
    },
  },
  {
    name: 'del-without-previous',
    title: 'DEL does without prevResult',
    async run(bench) {
      const attached = await bench.attach(bench.pod());
      const { pod, version } = attached;
      requireSilentSuccess(await bench.call('DEL', { pod, version }), 'without prevResult');
      await bench.detach(attached);
      await bench.requireNode('after DEL without prevResult');
    },
  },
  {
    name: 'add-after-del',
    title: 'a container can be added again, and again',
    async run(bench) {
      const pod = bench.pod();
      for (let round = 0; round < 3; round++) await bench.detach(await bench.attach(pod));
      await bench.requireNode('after adding and deleting three times');
    },
  },
  {
    name: 'gc-keeps',
    title: 'GC keeps the attachments that are valid',
    notFor: since('1.1.0'),
    async run(bench) {
      const attached = await bench.attach(bench.pod());
      const { pod, ifName } = attached;
      const [inside, node] = [await bench.inside(pod), await bench.node()];
      requireSilentSuccess(await bench.call('GC', { config: validAttachments([{ id: pod.id, ifName }]) }));
      await bench.requireInside(pod, inside, 'after GC with a valid attachment');
      const now = await bench.node();
      const lost = node.filter((line) => !now.includes(line));
      if (lost.length > 0) throw new Violation(`GC took away ${lost.slice(0, 3).join('; ')}`);
    },
  },
  {
    name: 'gc-removes',
    title: 'GC frees what belongs to no valid attachment',
    notFor: since('1.1.0'),
    async run(bench) {
      const attached = await bench.attach(bench.pod());
      await bench.delBefore(attached.pod, attached.version);
      attached.pod.kill();
      requireSilentSuccess(await bench.call('GC', { config: validAttachments([]) }));
      await bench.requireNode('after GC of a container that is gone');
    },
  },
];

function validAttachments(
  attachments: readonly { readonly id: string; readonly ifName: string }[],
): Readonly<Record<string, unknown>> {
  const list = attachments.map(({ id, ifName }) => ({ containerID: id, ifname: ifName }));
  // Runtimes of libcni 1.2 send it under both names.
  return { 'cni.dev/valid-attachments': list, 'cni.dev/attachments': list };
}
