/** The commands that look whether the network is as it should be. */
import type { Command } from 'commander';
import { type Named, type Printed, examples, finish, nameOption, outputOption } from './options.ts';

export function addCheckCommands(program: Command): void {
  const check = program.command('check').description('look whether the network is as it should be');
  check
    .command('mtu')
    .description('the MTU of every interface on the pods’ ways, and packets of that size between pods')
    .addOption(nameOption())
    .addOption(outputOption())
    .addHelpText(
      'after',
      examples(
        './podnet check mtu                exit code 1 when something is wrong, with the fix',
        './podnet check mtu -o json | jq .problems',
      ),
    )
    .action(finish(async (options: Named & Printed) => (await import('./check-mtu.ts')).checkMtu(options)));
}
