"""The documents print what they say: every terminal shown in README.md is run and compared.

    tools/show node.2 [--bin FOLDER] [--bless]

Starts a server of its own; ports and data directory of the document are exchanged for free ones. Times and hashes are
masked on both sides. --bless (or VERITY_BLESS=1) rewrites what the document says is printed; review the diff.
"""
import os

from building import build, options_of
from console import bless, differences, run, steps_of
from server import ROOT, Server, require


def show(arguments):
    options = options_of(arguments, {"bin": "", "bless": False})
    if not options["bin"]:
        build("verity-server", "verity-admin")
    blessing = options["bless"] or bool(os.environ.get("VERITY_BLESS"))
    document = os.path.join(ROOT, "README.md")
    with open(document, encoding="utf-8") as file:
        markdown = file.read()
    steps = steps_of(markdown)
    require(steps, "README.md shows no terminal")
    outputs, different = [], []
    with Server(binaries=options["bin"] or "build/bin") as server:
        substitutions = [
            ("127.0.0.1:7000", f"127.0.0.1:{server.port}"),
            ("localhost:7000", f"localhost:{server.port}"),
            (".verity/", server.scratch + "/"),
        ]
        substitutions.append(("tools/dev demo", f"tools/demo --bin {options['bin'] or 'build/bin'}"))
        if options["bin"]:
            folder = options["bin"].rstrip("/")
            substitutions.append(("build/bin/", folder + "/"))
        for step in steps:
            if step.command.startswith("tools/dev run"):
                server.start()
                outputs.append(step.output)
                print(f"  $ {step.command}   (a server of our own instead)")
                continue
            output = run(step, substitutions, ROOT)
            outputs.append(output)
            lines = differences(step.output, output)
            print(f"  $ {step.command.splitlines()[0][:100]}   {'differs' if lines else 'as shown'}")
            different += [f"  $ {step.command}", *lines] if lines else []
    if blessing:
        with open(document, "w", encoding="utf-8") as file:
            file.write(bless(markdown, steps, outputs))
        print(f"  README.md now shows what was printed ({len(steps)} commands)")
        return
    require(not different, "README.md says otherwise:\n" + "\n".join(different))
    print(f"  {len(steps)} commands print what README.md shows")
