from dgd.cli import main

raise SystemExit(main())
