import type { MtuReport } from '../cni/mtu-check.ts';
import { withControl } from '../lab/control/client.ts';
import { printData } from './data.ts';
import type { Named, Printed } from './options.ts';
import { out, printResult, table } from './terminal.ts';

/** `podnet check mtu`. Resolves with the exit code: 1 when an interface is wrong or a packet is lost. */
export async function checkMtu({ name, output }: Named & Printed): Promise<number> {
  return withControl(name, async (control) => {
    const report = await control.call('checkMtu', {});
    if (!printData(report, output)) printResult(printReport(report));
    return report.problems.length > 0 ? 1 : 0;
  });
}

function printReport({ interfaces, probes, problems }: MtuReport): string {
  const rows = interfaces.map(({ place, role, interface: device, mtuBytes, expectedBytes, pod, problem }) => [
    place,
    device,
    String(mtuBytes),
    pod === undefined ? role : `${role} of ${pod}`,
    problem === undefined ? out.green('right') : out.red(`wrong, ${expectedBytes} expected`),
  ]);
  const lost = probes.filter(({ arrived }) => !arrived);
  const lines = [table([['PLACE', 'INTERFACE', 'MTU', 'WHAT', 'VERDICT'], ...rows]), ''];
  if (probes.length === 0) lines.push('No packets were sent: that takes running pods on two nodes.');
  else
    lines.push(
      `${probes.length - lost.length} of ${probes.length} packets of full size arrived, in one piece, between pods of different nodes.`,
    );
  for (const { from, to, bytes, error } of lost)
    lines.push(
      out.red(`lost: ${bytes} bytes from ${from} to ${to}${error === undefined ? '' : `, ${error}`}`),
    );
  for (const { problem, fix } of problems) lines.push('', `${out.red('✗')} ${problem}`, `  fix: ${fix}`);
  return lines.join('\n');
}
