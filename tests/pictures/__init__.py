"""Pictures drawn and assembled for the tests: as cameras make them, and as attackers do."""
