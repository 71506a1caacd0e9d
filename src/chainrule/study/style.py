"""How the page looks: light and dark as the reader's system is, narrow screens, and paper.

Every rule begins with the class of a study, so that one shown in a notebook leaves the rest of it as it is.
"""

SCOPE = "chainrule-study"

_LIGHT = """--paper: #fdfdfb; --ink: #1d2129; --soft: #5b6370; --line: #dcdfe4; --raised: #f4f5f3;
  --good: #17692f; --bad: #b3261e; --unsure: #7a5200;"""
_DARK = """--paper: #15181d; --ink: #e6e8eb; --soft: #a2aab6; --line: #363c46; --raised: #1e2229;
  --good: #7fd69a; --bad: #ff9d94; --unsure: #e9c46a;"""
_PAPER = """color-scheme: light; --paper: #fff; --ink: #000; --soft: #444; --line: #bbb; --raised: #fff;
  --good: #17692f; --bad: #b3261e; --unsure: #7a5200;"""

_RULES = f"""
& {{ color-scheme: light dark; {_LIGHT}
  margin: 0; background: var(--paper); color: var(--ink); font: 1rem/1.6 system-ui, sans-serif; }}
@media (prefers-color-scheme: dark) {{ & {{ {_DARK} }} }}
& *, & *::before, & *::after {{ box-sizing: border-box; }}
& main, & header, & footer, & nav {{ max-width: 58rem; margin: 0 auto; padding: 0 1.25rem; }}
& header {{ padding-top: 2.5rem; }}
& h1 {{ font-size: 1.9rem; line-height: 1.2; margin: 0 0 .25rem; overflow-wrap: anywhere; }}
& h2 {{ font-size: 1.35rem; margin: 3rem 0 .75rem; padding-top: 1rem; border-top: 1px solid var(--line); }}
& h3 {{ font-size: 1.05rem; margin: 1.75rem 0 .5rem; }}
& p {{ max-width: 44rem; margin: .5rem 0; }}
& a {{ color: inherit; text-underline-offset: .2em; }}
& nav ol {{ list-style: none; display: flex; flex-wrap: wrap; gap: .25rem 1.25rem; padding: 0; margin: 1.5rem 0 0; }}
& code, & pre {{ font-family: ui-monospace, SFMono-Regular, Menlo, Consolas, monospace; font-size: .875em; }}
& pre {{ background: var(--raised); border: 1px solid var(--line); border-radius: 6px; padding: .75rem 1rem;
  overflow-x: auto; line-height: 1.5; margin: .5rem 0; }}
& .scroll {{ overflow-x: auto; }}
& .scroll:focus-visible, & .formula:focus-visible {{ outline: 2px solid var(--soft); outline-offset: 2px; }}
& table {{ border-collapse: collapse; margin: .75rem 0; font-size: .9375rem; font-variant-numeric: tabular-nums; }}
& caption {{ text-align: left; color: var(--soft); padding-bottom: .35rem; }}
& th, & td {{ text-align: left; vertical-align: top; padding: .3rem 1.25rem .3rem 0;
  border-bottom: 1px solid var(--line); background: none; color: inherit; }}
& thead th {{ color: var(--soft); font-weight: 600; }}
& tbody th {{ font-weight: 500; }}
& th.number, & td.number {{ text-align: right; }}
& td.number {{ white-space: nowrap; }}
& tr.place th {{ color: var(--soft); padding-top: .8rem; border-bottom: none; }}
& .summary {{ font-size: 1.125rem; margin: 1.25rem 0 0; max-width: 46rem; }}
& dl.facts {{ display: grid; grid-template-columns: repeat(auto-fit, minmax(9.5rem, 1fr)); gap: .75rem;
  margin: 1.5rem 0 0; }}
& dl.facts div {{ background: var(--raised); border: 1px solid var(--line); border-radius: 8px; padding: .6rem .9rem; }}
& dl.facts dt {{ color: var(--soft); font-size: .875rem; font-weight: 400; }}
& dl.facts dd {{ margin: 0; font-size: 1.25rem; font-variant-numeric: tabular-nums; overflow-wrap: anywhere; }}
& .subtitle, & .soft, & footer {{ color: var(--soft); }}
& .agrees {{ color: var(--good); }}
& .wrong {{ color: var(--bad); }}
& .unreliable {{ color: var(--unsure); }}
& .verdict {{ font-weight: 600; }}
& .formula {{ overflow-x: auto; overflow-y: hidden; padding: .25rem 0; font-size: 1.15rem; }}
& .formula p {{ margin: .4rem 0; max-width: none; }}
& .formula .soft {{ font-size: 1rem; }}
& math {{ display: inline math; white-space: nowrap; }}
& ol.steps > li {{ margin: .75rem 0; }}
& details {{ margin: .35rem 0; }}
& summary {{ cursor: pointer; color: var(--soft); }}
& .notice {{ border: 1px solid var(--unsure); border-left-width: 5px; border-radius: 6px; padding: .5rem .9rem; }}
& figure {{ margin: 1.25rem 0; }}
& figcaption {{ color: var(--soft); font-size: .9375rem; max-width: 44rem; }}
& figure svg {{ width: 100%; max-width: 46rem; height: auto; display: block; }}
& .data {{ max-height: 20rem; overflow-y: auto; }}
& footer {{ padding-top: 2rem; padding-bottom: 3rem; font-size: .9375rem; }}
@media (max-width: 40rem) {{ & figure svg {{ min-width: 34rem; }} }}
@media print {{ & {{ {_PAPER} font-size: 10pt; }}
  & nav, & details {{ display: none; }}
  & h2, & h3, & caption {{ break-after: avoid; }}
  & tr, & figure, & pre, & dl.facts div {{ break-inside: avoid; }}
  & table {{ font-size: 8pt; }}
  & th, & td {{ padding-right: .6rem; }}
  & td {{ overflow-wrap: anywhere; }}
  & .summary {{ font-size: 11pt; }}
  & caption, & figcaption, & .soft {{ font-size: 8.5pt; }}
  & figure svg {{ min-width: 0; max-width: 34rem; }}
  & pre {{ white-space: pre-wrap; }}
  & .scroll, & .formula {{ overflow: visible; }} }}
"""

CSS = _RULES.replace("&", f".{SCOPE}")
