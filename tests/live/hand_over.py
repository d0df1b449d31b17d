"""What an operator gives as --guest VOLSER=COMMAND: hands what is asked to the program that has the guest's console, and
waits for its answer.

usage: hand_over.py SPOOL"""
import json
import os
import sys
import time


def hand_over(spool, request):
    """Leaves a request in the folder, and gives back the answer."""
    name = os.path.join(spool, f'{time.time_ns()}-{os.getpid()}')
    with open(name + '.new', 'w') as file:
        json.dump(request, file)
    os.rename(name + '.new', name + '.request')
    while not os.path.exists(name + '.answer'):
        time.sleep(0.02)
    with open(name + '.answer') as file:
        return json.load(file)


def main(spool):
    statements, _, description = sys.stdin.read().rpartition('\n\n') if not sys.stdin.isatty() else ('', '', '{}')
    request = {'verb': os.environ['TRACKMIRROR_VERB'], 'statements': statements.splitlines(),
               'description': json.loads(description or '{}')}
    answer = hand_over(spool, request)
    print(answer['text'])
    return answer['code']


if __name__ == '__main__':
    sys.exit(main(sys.argv[1]))
