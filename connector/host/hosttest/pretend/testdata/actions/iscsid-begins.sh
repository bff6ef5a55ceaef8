iscsid
