#!/usr/bin/env python3
"""What an operator gives as --operator to examples/migrate.c: makes control statements of what is asked of the guest, hands
them to the program that has its console, and waits for its answer. Where that listens stands in LIVE_SPOOL.

usage: ask_operator.py VERB WORD..."""
import os
import sys

from hand_over import hand_over
from scenario import IMAGES


def on(volser):
    return f'{IMAGES[volser][0]}={volser}'


def cards(operation, *operands):
    """A statement: it ends before column 72, where a mark says that it goes on in column 16 of the next card."""
    lines, line = [], f' {operation} '
    for number, operand in enumerate(operands):
        operand += ',' if number + 1 < len(operands) else ''
        if len(line) + len(operand) > 71:
            lines.append(line.ljust(71) + 'X')
            line = ' ' * 15
        line += operand
    return [*lines, line]


def catlg(volser, name, *volsers):
    several = f'({",".join(volsers)})' if len(volsers) > 1 else volsers[0]
    return cards('CATLG', f'DSNAME={name}', f'VOL={IMAGES[volsers[0]][0]}={several}', f'CVOL={on(volser)}')


def uncatlg(volser, name):
    return cards('UNCATLG', f'DSNAME={name}', f'CVOL={on(volser)}')


def scratch(volser, name):
    return cards('SCRATCH', f'DSNAME={name}', f'VOL={on(volser)}')


def rename(volser, name, new_name):
    return cards('RENAME', f'DSNAME={name}', f'VOL={on(volser)}', f'NEWNAME={new_name}')


def recatalog(volser, name, *volsers):
    return uncatlg(volser, name) + catlg(volser, name, *volsers)


STATEMENTS = {'catalog': catlg, 'uncatalog': uncatlg, 'recatalog': recatalog, 'scratch': scratch, 'rename': rename}


def main(verb, *words):
    statements = STATEMENTS[verb](*words) if verb in STATEMENTS else []
    answer = hand_over(os.environ['LIVE_SPOOL'], {'verb': verb, 'statements': statements, 'description': words})
    print(answer['text'])
    return answer['code']


if __name__ == '__main__':
    sys.exit(main(*sys.argv[1:]))
